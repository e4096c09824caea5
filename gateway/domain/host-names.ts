// Who answers for a host name: exact names, `*.example.com`, and `*` for any other. The first that claims a name has it.

/** Owners by host name, lower case and without port. */
export class HostNames<Owner> {
  readonly #exact = new Map<string, Owner>()
  /** Suffixes of `*.example.com` as `.example.com`, longest first. */
  readonly #suffixes: { readonly suffix: string; readonly owner: Owner }[] = []
  #any: Owner | null = null

  add(host: string, owner: Owner): void {
    if (host === '*') this.#any ??= owner
    else if (!host.startsWith('*.')) {
      if (!this.#exact.has(host)) this.#exact.set(host, owner)
    } else {
      this.#suffixes.push({ suffix: host.slice(1), owner })
      this.#suffixes.sort((a, b) => b.suffix.length - a.suffix.length)
    }
  }

  find(host: string): Owner | null {
    const exact = this.#exact.get(host)
    if (exact !== undefined) return exact
    const bySuffix = this.#suffixes.find((entry) => host.endsWith(entry.suffix) && host !== entry.suffix)
    return bySuffix?.owner ?? this.#any
  }
}
