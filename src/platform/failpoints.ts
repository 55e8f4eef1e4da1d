/**
 * Steps at which a process can be made to end without warning, as by `kill -9`: `SLUICE_FAILPOINT=NAME:N` ends it when it comes to that step for the Nth time. For tests of crashes;
 * without the variable a step costs a comparison.
 */
const [wanted = '', times = '1'] = (process.env['SLUICE_FAILPOINT'] ?? '').split(':')
let left = Number(times)

/** All there are: between them lies every state that a commit can be left in. */
export type Failpoint =
  | 'commit.begin' | 'commit.cut-sent' | 'commit.offsets-sent' | 'commit.done'
  | 'checkpoint.begin' | 'checkpoint.written' | 'checkpoint.synced'
  | 's3.uploaded' | 's3.completed' | 's3.told'

export function failpoint(name: Failpoint): void {
  if (name !== wanted) return
  left--
  if (left > 0) return
  process.kill(process.pid, 'SIGKILL')
  // The signal is on its way: nothing more is done until it is there.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
}
