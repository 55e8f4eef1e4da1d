/** What this process has used so far. */
export interface ProcessFigures {
  /** User and system time of all threads, in seconds. */
  readonly cpu_seconds: number
  /** The most memory that was resident at once. */
  readonly peak_rss_bytes: number
}

export function processFigures(): ProcessFigures {
  const { userCPUTime, systemCPUTime, maxRSS } = process.resourceUsage()
  return { cpu_seconds: (userCPUTime + systemCPUTime) / 1e6, peak_rss_bytes: maxRSS * 1024 }
}
