// What every scenario of the benchmark is: it measures one question and answers with figures. Knows none of them.

/** One line of what a scenario found. */
export interface Figure {
  readonly what: string
  readonly value: number
  readonly unit: 'ms' | 'µs' | 'MiB' | 'bytes' | '×' | '%' | '' | '/s'
  /** What is to be reached, in words; null where nothing is. */
  readonly target: string | null
  /** The single values behind it. */
  readonly of?: readonly number[]
}

/** What whoever runs the benchmark may choose, for every scenario alike. */
export interface Choice {
  readonly rounds: number
  readonly seconds: number
  /** Requests a second where a scenario keeps a rate; null: half of what one worker can carry. */
  readonly rate: number | null
  /** Names of contenders that take part; null: those that the scenario has of itself. */
  readonly only: readonly string[] | null
  /** Names of loads; null: all. */
  readonly cases: readonly string[] | null
  /** The folder of another build of Amarre, measured beside this one; null: none. */
  readonly before: string | null
}

/** What a run of the benchmark gives each scenario. */
export interface Setting extends Choice {
  /** A folder of its own, removed afterwards. */
  readonly directory: string
  /** The build of Amarre that is measured. */
  readonly dist: string
}

/** What a scenario answers: what is told, and what is kept raw. */
export interface Finding {
  readonly figures: readonly Figure[]
  readonly raw: unknown
}

export interface Scenario {
  readonly name: string
  /** The question that it answers. */
  readonly asks: string
  run(setting: Setting): Promise<Finding>
}

/** The figures as aligned lines. */
export function figuresText(figures: readonly Figure[]): string {
  const width = Math.max(...figures.map(({ what }) => what.length))
  return figures
    .map(({ what, value, unit, target }) => {
      const aim = target === null ? '' : `   (${target})`
      return `  ${what.padEnd(width)}  ${amount(value).padStart(10)} ${unit}${aim}`
    })
    .join('\n')
}

/** NaN: there is none, as of quiet windows where they are too few. */
function amount(value: number): string {
  if (Number.isNaN(value)) return '-'
  return Math.abs(value) >= 1000 || Number.isInteger(value) ? value.toFixed(0) : value.toFixed(2)
}
