// SPDX-License-Identifier: Apache-2.0
import CHostProbe
import CKernels
import Glibc
package import CostModel
package import Hardware
import Synchronization

/// A fixed set of threads, one per allowed processor, of which some or all run the same job and join.
///
/// Workers spin for some tens of microseconds between jobs, since an operator of the forward pass follows the last one
/// that soon; then they sleep, so that an idle runtime costs nothing and a starved machine does not collapse. Those
/// that a job leaves out sleep at once, since spinning slows the other thread of their core, until a job takes them in.
package final class ThreadPool: @unchecked Sendable {
  /// Threads for the passes of each phase.
  package let counts: ThreadCounts
  /// Threads that take part in the next job, the caller among them: all, outside of `withThreads`.
  package private(set) var active: Int
  /// Charged with the operators of the passes that run here; nil where nobody asks.
  package let clock: OperatorClock?

  /// The newest job; a worker runs when it sees a new one that it takes part in.
  private let generation = Atomic<UInt64>(0)
  private let unfinished = Atomic<Int>(0)
  /// Where those wait that found no job for a while, and those that the newest one left out.
  private let idle = WaitingRoom()
  private let leftOut = WaitingRoom()
  private let shares: ChunkShares
  /// Written before `generation` is raised and read after it was seen: ordered by the atomic.
  private var job: ((Int) -> Void)?
  private var isStopping = false
  private var threads: [pthread_t] = []
  /// Whether memory is nearer to some threads than to others.
  private let hasNodes: Bool
  /// The caller's number while it is bound, and where it might run before.
  private var boundCaller: (thread: Int32, before: [Int32])?

  /// About 100 µs of pauses on current processors (a pause is 40 to 140 cycles): longer than a token takes to be chosen.
  private static let spinRounds = 4000

  /// All threads, the caller among them.
  package var count: Int { counts.most }

  /// The same threads for all passes.
  package convenience init(count: Int, clock: OperatorClock? = nil) throws(LanguageRuntimeError) {
    try self.init(counts: ThreadCounts(count), clock: clock)
  }

  /// - Parameter units: what threads may run on. Where these are on several NUMA nodes, the caller too is bound to one
  ///   of them until the pool stops.
  /// - Throws: `LanguageRuntimeError.threadsUnavailable` when the system refuses a thread.
  package init(
    counts: ThreadCounts, on units: [ProcessingUnit] = ProcessingUnit.here, clock: OperatorClock? = nil
  ) throws(LanguageRuntimeError) {
    self.counts = counts
    let placement = ThreadPlacement(of: counts, on: units)
    hasNodes = placement.hasNodes
    active = counts.most
    shares = ChunkShares(threads: counts.most)
    self.clock = clock
    // A caller that another pool has bound would hand its bond down.
    let anywhere = placement.hasNodes ? units : []
    for index in 1..<max(2, count) where index < count {
      let place = placement.units.isEmpty ? anywhere : [placement.units[index]]
      let numbers = place.map { Int32($0.number) }
      let start = Unmanaged.passRetained(WorkerStart(pool: self, index: index, units: numbers))
      var thread = pthread_t()
      let code = pthread_create(&thread, nil, runWorker, start.toOpaque())
      guard code == 0 else {
        start.release()
        stop()
        throw .threadsUnavailable(errno: code)
      }
      threads.append(thread)
    }
    if placement.hasNodes, let own = placement.units.first {
      boundCaller = (chp_thread_id(), ProcessingUnit.numbersOfThisThread())
      bind(chp_thread_id(), to: [Int32(own.number)])
    }
  }

  /// Ends and joins the threads; the pool runs nothing afterwards. Must be called, since workers keep their pool.
  package func stop() {
    if let caller = boundCaller { bind(caller.thread, to: caller.before) }
    boundCaller = nil
    guard !threads.isEmpty else { return }
    isStopping = true
    active = count
    publish()
    for thread in threads { pthread_join(thread, nil) }
    threads = []
  }

  deinit { shares.deallocate() }

  /// Lets the jobs of `body` be run by the first `count` threads alone.
  package func withThreads<Result>(_ count: Int, _ body: () -> Result) -> Result {
    let before = active
    active = max(1, min(count, threads.count + 1))
    defer { active = before }
    return body()
  }

  /// Lets the jobs of `body` be run by the threads of passes of so many rows.
  package func withThreads<Result>(ofRows rows: Int, _ body: () -> Result) -> Result {
    withThreads(counts.count(rows: rows), body)
  }

  /// Runs `body` once on every active thread, the caller being thread 0, and returns when all are done.
  package func run(_ body: (_ thread: Int) -> Void) {
    guard active > 1, !threads.isEmpty else { return body(0) }
    withoutActuallyEscaping(body) { escaping in
      job = escaping
      unfinished.store(active - 1, ordering: .relaxed)
      publish()
      body(0)
      let wait = clock?.begin()
      defer { if let wait { clock?.end(.waiting, wait) } }
      var rounds = 0
      while unfinished.load(ordering: .acquiring) > 0 {
        rounds += 1
        // Somebody else may have our worker's processor: let it run.
        if rounds % Self.spinRounds == 0 { sched_yield() } else { ck_pause() }
      }
      job = nil
    }
  }

  /// Splits `0..<count` into chunks of `grain`, the last one perhaps smaller. Each thread takes those of its own run of
  /// neighbours in order, then helps with what others have left.
  package func forEachChunk(of count: Int, grain: Int, _ body: (_ thread: Int, _ range: Range<Int>) -> Void) {
    guard active > 1, count > grain else { return body(0, 0..<count) }
    let chunks = (count + grain - 1) / grain
    let threads = active
    func own(_ thread: Int) -> Range<Int> { ChunkShares.own(thread, of: chunks, among: threads) }
    shares.divide(among: threads) { own($0).count }
    run { thread in
      while let (share, place) = self.shares.take(thread, among: threads) {
        let chunk = own(share).lowerBound + place
        body(thread, chunk * grain..<min((chunk + 1) * grain, count))
      }
    }
  }

  /// Runs through several lists of so many pieces as one job, in chunks of at most `grain`: each thread takes those of
  /// its own run of each list, then helps with what others have left.
  ///
  /// On several NUMA nodes whose run a piece is in depends on its list alone, not on what else the job has.
  package func forEachPiece(
    of lists: [Int], grain: Int, _ body: (_ thread: Int, _ list: Int, _ pieces: Range<Int>) -> Void
  ) {
    guard active > 1, lists.reduce(0, +) > grain else {
      for (list, count) in lists.enumerated() where count > 0 { body(0, list, 0..<count) }
      return
    }
    let runs = PieceRuns(lists: lists, grain: grain, threads: active, areApart: hasNodes)
    shares.divide(among: runs.threads, chunks: runs.chunks)
    run { thread in
      while let (share, place) = self.shares.take(thread, among: runs.threads) {
        let (list, pieces) = runs.chunk(place, ofThread: share)
        body(thread, list, pieces)
      }
    }
  }

  /// Gives each thread that decodes its own run of each list, and nobody help: what it writes there lies where it will
  /// be read (`forEachPiece`), since a page of memory is taken from the node of the thread that first touches it.
  package func forEachOwnRun(of lists: [Int], _ body: (_ list: Int, _ pieces: Range<Int>) -> Void) {
    withThreads(counts.decode) {
      let threads = active
      run { thread in
        for (list, count) in lists.enumerated() {
          let own = ChunkShares.own(thread, of: count, among: threads)
          if !own.isEmpty { body(list, own) }
        }
      }
    }
  }

  private func publish() {
    let last = Job(generation.load(ordering: .relaxed))
    let next = Job(number: last.number &+ 1, threads: active)
    generation.store(next.word, ordering: .sequentiallyConsistent)
    idle.wake()
    // Whoever was left out waits for a wider job than the last one: a row of equal ones wakes nobody.
    if next.threads > last.threads { leftOut.wake() }
  }

  fileprivate func work(as index: Int) {
    var seen = Job(0)
    while true {
      seen = nextJob(of: index, after: seen)
      if isStopping { return }
      job?(index)
      unfinished.subtract(1, ordering: .releasing)
    }
  }

  /// The next job that a worker takes part in; it does not end without it.
  private func nextJob(of index: Int, after seen: Job) -> Job {
    for _ in 0..<Self.spinRounds {
      let newest = Job(generation.load(ordering: .acquiring))
      if newest.word != seen.word { return take(newest, as: index) }
      ck_pause()
    }
    return take(wait(in: idle) { $0.word != seen.word }, as: index)
  }

  private func take(_ job: Job, as index: Int) -> Job {
    index < job.threads ? job : wait(in: leftOut) { index < $0.threads }
  }

  /// Sleeps until the newest job is one of those wanted.
  private func wait(in room: WaitingRoom, for isWanted: (Job) -> Bool) -> Job {
    var newest = Job(0)
    room.wait {
      newest = Job(generation.load(ordering: .sequentiallyConsistent))
      return isWanted(newest)
    }
    return newest
  }
}

/// A job as the pool publishes it: its number, and in the low 16 bits the threads that run it.
private struct Job {
  let word: UInt64

  init(_ word: UInt64) { self.word = word }
  init(number: UInt64, threads: Int) { word = number << 16 | UInt64(min(threads, 0xFFFF)) }

  var number: UInt64 { word >> 16 }
  var threads: Int { Int(word & 0xFFFF) }
}

private final class WorkerStart {
  let pool: ThreadPool
  let index: Int
  /// Their numbers; none leaves the thread to the system.
  let units: [Int32]
  init(pool: ThreadPool, index: Int, units: [Int32]) {
    self.pool = pool
    self.index = index
    self.units = units
  }
}

/// Unbound is slower, not wrong: what the system says to it does not matter.
private func bind(_ thread: Int32, to units: [Int32]) {
  guard !units.isEmpty else { return }
  _ = chp_bind_thread(thread, units, Int32(units.count))
}

/// A global function: a closure written where C wants a pointer may be bound to the main actor.
private func runWorker(_ start: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
  guard let start else { return nil }
  let worker = Unmanaged<WorkerStart>.fromOpaque(start).takeRetainedValue()
  bind(chp_thread_id(), to: worker.units)
  worker.pool.work(as: worker.index)
  return nil
}
