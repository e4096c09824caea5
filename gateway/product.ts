// What this program calls itself: in its metrics, its API document and its command.

/** The version in package.json, which a test compares. */
export const productVersion = '0.1.0'
