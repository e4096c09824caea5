// What the shop sells. Knows nothing of visitors.

/** One article; `drawing` is the inside of a 24 by 24 SVG. */
export interface Product {
  readonly id: string
  readonly name: string
  readonly text: string
  readonly cents: number
  readonly drawing: string
}

/** All articles, in the order in which they are shown. */
export const products: readonly Product[] = [
  {
    id: 'rope',
    name: 'Mooring line',
    text: 'Twelve metres, spliced eye, does not mind the tide.',
    cents: 3400,
    drawing:
      '<circle cx="12" cy="12" r="8"/><circle cx="12" cy="12" r="5"/><circle cx="12" cy="12" r="2"/><path d="M20 12v8"/>',
  },
  {
    id: 'lantern',
    name: 'Storm lantern',
    text: 'Burns a whole night watch on one filling.',
    cents: 5250,
    drawing: '<path d="M8 9h8v9H8zM6 21h12M9 6h6l1 3H8zM10 6a2 2 0 0 1 4 0M12 16v-3"/>',
  },
  {
    id: 'compass',
    name: 'Pocket compass',
    text: 'Brass, liquid damped, points north in any weather.',
    cents: 4700,
    drawing: '<circle cx="12" cy="12" r="9"/><path d="m15 9-2 4-4 2 2-4z"/>',
  },
  {
    id: 'anchor',
    name: 'Folding anchor',
    text: 'Four flukes, three kilos, fits under the bench.',
    cents: 6100,
    drawing:
      '<circle cx="12" cy="5" r="2"/><path d="M12 7v14M8 11h8M4 14c0 4 4 7 8 7s8-3 8-7M4 14l-1 3M20 14l1 3"/>',
  },
  {
    id: 'bell',
    name: 'Ship’s bell',
    text: 'To be heard in fog, and at tea time.',
    cents: 8900,
    drawing: '<path d="M6 17c2-2 2-5 2-8a4 4 0 0 1 8 0c0 3 0 6 2 8zM12 5V3M10 20a2 2 0 0 0 4 0"/>',
  },
  {
    id: 'flask',
    name: 'Watch flask',
    text: 'Keeps tea hot from dog watch to dawn.',
    cents: 2900,
    drawing: '<path d="M9 7h6v14H9zM10 3h4v4h-4zM15 10h3v6h-3"/>',
  },
]

/** The article of that id, if there is one. */
export function productOf(id: string | null): Product | undefined {
  return products.find((product) => product.id === id)
}

/** A price in words, as in `34.00 €`. */
export function price(cents: number): string {
  return `${(cents / 100).toFixed(2)} €`
}
