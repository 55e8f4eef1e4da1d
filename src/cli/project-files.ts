/** The files of a new project: a pipeline over a few orders that shows checks, a computed field, two sinks and dead letters. */

const ORDERS = [
  { id: 'o-1', customer: 'ada', country: 'GB', items: 2, total: 48.5 },
  { id: 'o-2', customer: 'grace', country: 'US', items: 1, total: 12 },
  { id: 'o-3', customer: 'edsger', country: 'NL', items: 7, total: 310.2 },
  { id: 'o-4', customer: 'barbara', country: 'US', items: 3, total: 99.9 },
  { id: 'o-5', customer: '', country: 'US', items: 1, total: 5 },
  { id: 'o-6', customer: 'donald', country: 'US', items: 12, total: 840 },
  { id: 'o-7', customer: 'radia', country: 'US', items: 0, total: 0 },
  { id: 'o-8', customer: 'leslie', country: 'FR', items: 4, total: 150 },
]

const PIPELINE = `# yaml-language-server: $schema=.sluice/pipeline.schema.json
pipeline: orders

sources:
  orders:
    file: { path: data/orders.ndjson }

stages:
  # What fails here goes to the dead letters, with the reason.
  - validate:
      required: [id, customer, total]
      rules:
        - check: event.customer != ""
          message: An order needs a customer
        - check: event.items > 0
          message: An order needs items
  - map:
      merge: true
      fields:
        average: event.total / event.items
  - id: size
    route:
      large: event.total >= 100.0
      small: true

sinks:
  large:
    from: [size.large]
    file: { path: out/large.ndjson }
  small:
    from: [size.small]
    file: { path: out/small.ndjson }

dead_letters:
  file: { path: out/failed.ndjson }
`

const TESTS = `tests:
  - name: an order of a hundred or more is large
    input:
      orders: [{ id: a, customer: ada, items: 4, total: 100 }]
    expect:
      large: [{ id: a, customer: ada, items: 4, total: 100, average: 25 }]
      small: []
  - name: an order without a customer fails
    input:
      orders: [{ id: b, customer: '', items: 1, total: 5 }]
    expect:
      dead_letters: [{ code: VALIDATE_FAILED, reason: An order needs a customer }]
`

const README = `# orders

    sluice check pipeline.yaml     finds what is wrong with the pipeline
    sluice run pipeline.yaml       runs it; the results are in out/
    sluice test pipeline.yaml      runs the tests of pipeline.test.yaml

Two of the eight orders fail on purpose: see out/failed.ndjson. Once you have changed the rule, feed them in again:

    mv out/failed.ndjson again.ndjson
    sluice run pipeline.yaml --input-dead-letters again.ndjson

What else there is: \`sluice list\`, and \`sluice list stage filter\` for the fields of one.
`

/** By path below the project's folder. */
export function projectFiles(): Readonly<Record<string, string>> {
  return {
    'pipeline.yaml': PIPELINE,
    'pipeline.test.yaml': TESTS,
    'data/orders.ndjson': ORDERS.map(order => `${JSON.stringify(order)}\n`).join(''),
    'README.md': README,
    '.gitignore': 'out/\n.state/\n',
  }
}
