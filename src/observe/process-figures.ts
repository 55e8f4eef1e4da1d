import { readTextNow } from '../platform/index.ts'

/** What this process has used so far. */
export interface ProcessFigures {
  /** User and system time of all threads, in seconds. */
  readonly cpu_seconds: number
  /** The most memory that was resident at once. */
  readonly peak_rss_bytes: number
}

export function processFigures(): ProcessFigures {
  const { userCPUTime, systemCPUTime, maxRSS } = process.resourceUsage()
  return { cpu_seconds: (userCPUTime + systemCPUTime) / 1e6, peak_rss_bytes: peakNow() ?? maxRSS * 1024 }
}

/** Linux counts what the starting process held before this program took its place into `maxRSS`; `VmHWM` is of this program alone. */
function peakNow(): number | undefined {
  if (process.platform !== 'linux') return undefined
  try {
    const kibibytes = /^VmHWM:\s+(\d+) kB/m.exec(readTextNow('/proc/self/status') ?? '')?.[1]
    return kibibytes === undefined ? undefined : Number(kibibytes) * 1024
  } catch {
    return undefined
  }
}
