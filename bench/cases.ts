// The loads under which contenders are compared.

export interface Case {
  readonly name: string
  readonly path: string
  readonly method: 'GET' | 'POST'
  readonly bodyBytes: number
  readonly connections: number
  /** Rounds are this many times as long: large answers are few. */
  readonly stretch: number
}

/** The load that the targets are set for. */
export const usualCase: Case = {
  name: '2 KiB',
  path: '/2k',
  method: 'GET',
  bodyBytes: 0,
  connections: 64,
  stretch: 2,
}

const other: Case = { ...usualCase, stretch: 1 }

/** All of them, the usual one first. */
export const cases: readonly Case[] = [
  usualCase,
  { ...other, name: 'empty', path: '/0' },
  { ...other, name: '16 KiB', path: '/16k' },
  { ...other, name: '256 KiB', path: '/256k' },
  { ...other, name: '8 MiB', path: '/8m', connections: 16, stretch: 2 },
  { ...other, name: 'POST 16 KiB', path: '/post', method: 'POST', bodyBytes: 16_384 },
  { ...other, name: '1 connection', connections: 1 },
  { ...other, name: '1000 connections', connections: 1000, stretch: 3 },
]
