// What the control plane rejects an order with when a rule stands against it. Knows nothing of HTTP.

/** An order that a rule refuses: the operator may change what the rule looks at, or order something else. */
export class RuleRefusal extends Error {
  /**
   * `rule` is the rule's name, lower case with dashes, stable for scripts (`retire-needs-retirable`); `detail` says in
   * words what stood against it.
   */
  readonly rule: string

  constructor(rule: string, detail: string) {
    super(detail)
    this.name = 'RuleRefusal'
    this.rule = rule
  }
}
