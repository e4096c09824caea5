// Examples of the verbs as `amarre help VERB` shows them. Knows nothing of options.

const examples: Readonly<Record<string, readonly string[]>> = {
  status: ['amarre status', 'amarre status shop --watch'],
  events: ['amarre events --limit 20'],
  plan: ['amarre plan shop 2.4.0'],
  activate: ['amarre activate shop 2.4.0 --reason "accepted by Anne"'],
  rollback: ['amarre rollback shop', 'amarre rollback shop --to 2.2.0 --reason "invoices are wrong"'],
  freeze: ['amarre freeze shop --reason sale', 'amarre freeze shop off'],
  drain: ['amarre drain shop 2.4.0'],
  retire: ['amarre retire shop 2.3.0', 'amarre retire shop 2.3.0 --force'],
  recall: ['amarre recall shop 2.3.0 --to 2.4.0 --rate 50/s', 'amarre recall shop 2.3.0 --cancel'],
  wait: [
    'amarre wait shop 2.4.0 --for active --timeout 5m',
    'amarre wait shop 2.3.0 --for retired && docker stop shop-2-3-0',
  ],
  preview: ['amarre preview shop 2.4.0 --ttl 2h'],
  sessions: ['amarre sessions shop 2.3.0'],
  explain: ['amarre explain shop --cookie "amarre=AQAA…" --url /basket'],
  rotate: ['amarre keys rotate --reason "yearly"'],
}

/** What stands below the options of a verb; empty for one without examples. */
export function exampleText(verb: string): string {
  const lines = examples[verb] ?? []
  return lines.length === 0 ? '' : `\nExamples:\n${lines.map((line) => `  ${line}`).join('\n')}\n`
}
