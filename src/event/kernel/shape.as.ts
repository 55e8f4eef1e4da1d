/**
 * Lines of the same shape: the fast way through a line.
 *
 * Programs write their lines with the same keys in the same order, so what stands between two values is nearly always the same text, such as `","type":` or
 * `},"lat":`. Such a text is a joint. A tree of joints is learnt from lines that the full walk found good: below each joint hang those that were seen behind the value
 * that follows it. Walking a line then means: compare the text here with the joints that may come, step over one value, and so on; the last joint ends with the newline.
 *
 *     (line) - `{"id":` - `,"type":` +- `,"temperature":` - `}\n`
 *                                    +- `,"status":` - `}\n`
 *
 * Why this is right: whether JSON's grammar allows a joint depends on the joints before it and not on the values between them, and neither do the fields that the keys
 * stand for, repeated keys, keys with escapes or the depth. A path of the tree was once a good line; so a line along the same path is good if its values are. Those are
 * strings, numbers and words here; a container is joints with values in between. A line that leaves the tree goes through the full walk from its start, and is learnt if good.
 *
 * Bounds: JOINTS_MAX joints, SIBLINGS_MAX behind one value, JOINT_BYTES_MAX bytes in one. Where most lines leave the tree it is given up for a while and then begun anew.
 */
import { nextMark } from './marks.as'
import { ENTRY_BYTES, entries, input, putField, shapes, starts, stride } from './memory.as'
import { ARRAY, ESCAPED, FALSE, NULL, OBJECT, STRING, TRUE, simpleNumber } from './token.as'
import { findEntry, setNewline, suspect } from './walk.as'

const JOINTS_MAX: u32 = 768
const SIBLINGS_MAX: u32 = 8
const JOINT_BYTES_MAX: usize = 64
const BOUNDS_MAX: u32 = 4

/*
 * A joint: its first sixteen bytes and the mask of those that count, the rest of its bytes, and then numbers of 32 bits. A bound is where a container that is itself
 * wanted begins or ends within the joint: field, offset, kind (0 where it begins).
 */
const TEXT: usize = 0
const MASK: usize = 16
const REST: usize = 32
const LENGTH: usize = 80
const FIELD: usize = 84
const CHILD: usize = 88
const SIBLING: usize = 92
const BOUND_COUNT: usize = 96
const IS_END: usize = 100
const BOUNDS: usize = 104
const BOUND_BYTES: usize = 12
const JOINT_BYTES: usize = 160

/** Bytes that the host reserves. */
export function shapeBytes(): usize {
  return <usize>JOINTS_MAX * JOINT_BYTES
}

let used: u32 = 0

/** Begins an empty tree: joint 0 is where a line begins. */
export function forgetShapes(): void {
  memory.fill(shapes, 0, JOINT_BYTES)
  used = 1
}

// @ts-ignore: a decorator of AssemblyScript
@inline
function matches(joint: usize, p: usize): bool {
  const difference = v128.and(v128.xor(v128.load(p), v128.load(joint, TEXT)), v128.load(joint, MASK))
  if (v128.any_true(difference)) return false
  const length = <usize>load<u32>(joint, LENGTH)
  return length <= 16 || matchesRest(joint, p, length)
}

/** Compares the bytes behind the sixteenth; the joint has zeros behind its last. */
function matchesRest(joint: usize, p: usize, length: usize): bool {
  let at: usize = 16
  for (; at + 16 <= length; at += 16) if (v128.any_true(v128.xor(v128.load(p + at), v128.load(joint + REST - 16 + at)))) return false
  for (; at < length; at++) if (load<u8>(p + at) != load<u8>(joint + REST - 16 + at)) return false
  return true
}

/** Walks the line at `p` along the tree; false where it leaves the tree, with the row's columns as they were. Leaves `newline` at the line's end. */
export function walkShape(p: usize, row: u32): bool {
  let s = suspect
  let joint = <usize>load<u32>(shapes, CHILD)
  while (joint != 0) {
    if (!matches(joint, p)) {
      joint = load<u32>(joint, SIBLING)
      continue
    }
    if (load<u32>(joint, BOUND_COUNT)) putBounds(joint, p, row)
    p += load<u32>(joint, LENGTH)
    if (load<u32>(joint, IS_END)) {
      setNewline(p - 1)
      return true
    }
    const field = load<i32>(joint, FIELD)
    const c = load<u8>(p)
    if (c == 34) {
      const close = nextMark(p + 1)
      if (load<u8>(close) != 34) break
      if (field >= 0) {
        while (load<u32>(s) < <u32>(p - input)) s += 4
        putField(field, row, load<u32>(s) < <u32>(close - input) ? ESCAPED : STRING, p, close + 1)
      }
      p = close + 1
    } else if (c <= 57) {
      p = simpleNumber(p, field, row)
      if (p == 0) break
    } else {
      const kind: u8 = c == 116 && load<u32>(p) == 0x65757274 ? TRUE : c == 110 && load<u32>(p) == 0x6c6c756e ? NULL : c == 102 && load<u32>(p, 1) == 0x65736c61 ? FALSE : 0
      if (kind == 0) break
      const end = p + (kind == FALSE ? 5 : 4)
      if (field >= 0) putField(field, row, kind, p, end)
      p = end
    }
    joint = load<u32>(joint, CHILD)
  }
  return false
}

function putBounds(joint: usize, p: usize, row: u32): void {
  let bound = joint + BOUNDS
  for (let count = load<u32>(joint, BOUND_COUNT); count > 0; count--, bound += BOUND_BYTES) {
    const field = load<u32>(bound)
    const at = p + load<u32>(bound, 4)
    const kind = <u8>load<u32>(bound, 8)
    if (kind) putField(field, row, kind, input + load<u32>(starts + ((field * stride + row) << 2)), at)
    else store<u32>(starts + ((field * stride + row) << 2), <u32>(at - input))
  }
}

/** Containers around the place that is learnt: node, field and whether it is an array, by depth. */
const STACK = memory.data(64 * 12, 16)
/** Bounds of the joint that is being put together. */
const PENDING = memory.data(48, 16)
let pending: u32 = 0

/** Adds the line at `p`, which the full walk found good, to the tree. */
export function learnShape(p: usize): void {
  let parent = shapes
  let from = p
  let depth: u32 = 0
  let field = -1
  let child = 0
  let isKey = false
  pending = 0
  while (parent != 0) {
    const c = load<u8>(p)
    if (c == 34) {
      const close = nextMark(p + 1)
      if (isKey) {
        const node = load<i32>(STACK + depth * 12)
        const entry = node < 0 ? -1 : findEntry(node, p + 1, <u32>(close - p - 1))
        field = entry < 0 ? -1 : load<i32>(entries + <usize>entry * ENTRY_BYTES, 16)
        child = entry < 0 ? -1 : load<i32>(entries + <usize>entry * ENTRY_BYTES, 20)
        isKey = false
      } else {
        parent = addJoint(parent, from, p, field, false)
        from = close + 1
      }
      p = close + 1
    } else if (c == 123 || c == 91) {
      addBound(field, p - from, 0)
      depth++
      store<i32>(STACK + depth * 12, c == 123 ? child : -1)
      store<i32>(STACK + depth * 12, field, 4)
      store<i32>(STACK + depth * 12, <i32>(c == 91), 8)
      field = -1
      child = -1
      isKey = c == 123
      p++
    } else if (c == 125 || c == 93) {
      addBound(load<i32>(STACK + depth * 12, 4), p + 1 - from, c == 125 ? OBJECT : ARRAY)
      depth--
      p++
    } else if (c == 44) {
      isKey = load<i32>(STACK + depth * 12, 8) == 0
      field = -1
      child = -1
      p++
    } else if (c == 10) {
      addJoint(parent, from, p, -1, true)
      return
    } else if (c == 58 || c == 32 || c == 9 || c == 13) {
      p++
    } else {
      parent = addJoint(parent, from, p, field, false)
      for (let d = c; d != 44 && d != 125 && d != 93 && d > 32; d = load<u8>(p)) p++
      from = p
    }
  }
}

function addBound(field: i32, offset: usize, kind: u32): void {
  if (field < 0) return
  if (pending < BOUNDS_MAX) {
    const bound = PENDING + <usize>pending * BOUND_BYTES
    store<i32>(bound, field)
    store<u32>(bound, <u32>offset, 4)
    store<u32>(bound, kind, 8)
  }
  pending++
}

/** The joint from `from` to `p` behind the value of `parent`, made if it is not there; 0 where the bounds forbid it. */
function addJoint(parent: usize, from: usize, p: usize, field: i32, isEnd: bool): usize {
  const length = isEnd ? p + 1 - from : p - from
  let count: u32 = 0
  let last: usize = 0
  for (let joint = <usize>load<u32>(parent, CHILD); joint != 0; joint = load<u32>(joint, SIBLING)) {
    if (load<u32>(joint, LENGTH) == <u32>length && matches(joint, from)) {
      pending = 0
      return joint
    }
    last = joint
    count++
  }
  if (used == JOINTS_MAX || count == SIBLINGS_MAX || length > JOINT_BYTES_MAX || pending > BOUNDS_MAX) return 0
  const joint = shapes + <usize>used * JOINT_BYTES
  used++
  memory.fill(joint, 0, JOINT_BYTES)
  const head = min(length, 16)
  memory.copy(joint + TEXT, from, head)
  memory.fill(joint + MASK, 255, head)
  if (length > 16) memory.copy(joint + REST, from + 16, length - 16)
  store<u32>(joint, <u32>length, LENGTH)
  store<i32>(joint, field, FIELD)
  store<u32>(joint, pending, BOUND_COUNT)
  store<u32>(joint, <u32>isEnd, IS_END)
  memory.copy(joint + BOUNDS, PENDING, <usize>pending * BOUND_BYTES)
  pending = 0
  if (last) store<u32>(last, <u32>joint, SIBLING)
  else store<u32>(parent, <u32>joint, CHILD)
  return joint
}

/** True while there is room for more joints. */
export function canLearn(): bool {
  return used < JOINTS_MAX
}
