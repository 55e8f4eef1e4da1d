/** Wanted paths as a tree of keys: node 0 is the line's object, and each entry of a node leads to a field, to a node for the object below, or both. */
export interface PlanEntry {
  readonly key: string
  /** Number of the path that ends here, or -1. */
  field: number
  /** Node of the keys wanted inside of this one, or -1. */
  child: number
}

export type PlanNode = readonly PlanEntry[]

/** Builds the tree. The paths are distinct and not empty. */
export function planTree(paths: readonly (readonly string[])[]): readonly PlanNode[] {
  const nodes: PlanEntry[][] = [[]]
  const entryOf = (node: PlanEntry[], key: string): PlanEntry => {
    const known = node.find((entry) => entry.key === key)
    if (known !== undefined) return known
    const made: PlanEntry = { key, field: -1, child: -1 }
    node.push(made)
    return made
  }
  paths.forEach((path, field) => {
    let node = nodes[0] ?? []
    path.forEach((key, depth) => {
      const entry = entryOf(node, key)
      if (depth === path.length - 1) {
        entry.field = field
        return
      }
      if (entry.child < 0) entry.child = nodes.push([]) - 1
      node = nodes[entry.child] ?? []
    })
  })
  return nodes
}
