// SPDX-License-Identifier: Apache-2.0
import CHostProbe
import Glibc
package import CostModel
package import Hardware

/// A fixed set of threads, one per allowed processor, of which some or all run the same job and join.
///
/// Workers spin for some tens of microseconds between jobs, since an operator of the forward pass follows the last one
/// that soon; then they sleep, so that an idle runtime costs nothing and a starved machine does not collapse. Those
/// that a job leaves out sleep at once, since spinning slows the other thread of their core, until a job takes them in.
package final class ThreadPool: @unchecked Sendable {
  /// Threads for the passes of each phase.
  package let counts: ThreadCounts
  /// Threads that take part in the next job, the caller among them: all, outside of `withThreads`.
  @exclusivity(unchecked) package private(set) var active: Int
  /// Charged with the operators of the passes that run here; nil where nobody asks.
  package let clock: OperatorClock?

  /// What is read after the next job, where that changes: whoever waits from its end on asks for it.
  @exclusivity(unchecked) var expected: ExpectedReads?

  private let board = JobBoard()
  private let shares: ChunkShares
  @exclusivity(unchecked) private var threads: [pthread_t] = []
  /// Whether memory is nearer to some threads than to others.
  let hasNodes: Bool
  /// The caller's number while it is bound, and where it might run before.
  private var boundCaller: (thread: Int32, before: [Int32])?

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
    board.dismiss()
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
      board.announce(threads: active, expecting: expected, escaping)
      expected = nil
      body(0)
      let wait = clock?.begin()
      board.join()
      if let wait { clock?.end(.waiting, wait) }
    }
  }

  /// Splits `0..<count` into chunks of `grain`, the last one perhaps smaller. Each thread takes those of its own run of
  /// neighbours in order, then helps with what others have left.
  package func forEachChunk(of count: Int, grain: Int, _ body: (_ thread: Int, _ range: Range<Int>) -> Void) {
    guard active > 1, count > grain else { return body(0, 0..<count) }
    let chunks = (count + grain - 1) / grain
    // Copied, so that threads count no references to the pool.
    let (threads, shares) = (active, shares)
    shares.divide(among: threads) { ChunkShares.own($0, of: chunks, among: threads).count }
    run { thread in
      while let (share, place) = shares.take(thread, among: threads) {
        let chunk = ChunkShares.own(share, of: chunks, among: threads).lowerBound + place
        body(thread, chunk * grain..<min((chunk + 1) * grain, count))
      }
    }
  }

  /// Runs through several lists of so many pieces as one job, in chunks: each thread takes those of its own run of each
  /// list, then helps with what others have left.
  ///
  /// On several NUMA nodes whose run a piece is in depends on its list alone, not on what else the job has.
  package func forEachPiece(
    of lists: [Int], size: ChunkSize, _ body: (_ thread: Int, _ list: Int, _ pieces: Range<Int>) -> Void
  ) {
    guard active > 1, size.count(of: lists.reduce(0, +)) > 1 else {
      for (list, count) in lists.enumerated() where count > 0 { body(0, list, 0..<count) }
      return
    }
    let (threads, shares) = (active, shares)
    let count = PieceRuns.count(lists: lists, threads: threads)
    withUnsafeTemporaryAllocation(of: PieceRuns.Run.self, capacity: count) { room in
      let runs = PieceRuns(lists: lists, size: size, threads: threads, areApart: hasNodes, in: room)
      shares.divide(among: threads, chunks: runs.chunks)
      run { thread in
        while let (share, place) = shares.take(thread, among: threads) {
          let (list, pieces) = runs.chunk(place, ofThread: share)
          body(thread, list, pieces)
        }
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

  fileprivate func work(as index: Int) { board.serve(as: index) }
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
