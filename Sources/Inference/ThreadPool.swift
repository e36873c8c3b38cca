// SPDX-License-Identifier: Apache-2.0
import CHostProbe
import CKernels
import Glibc
internal import CostModel
import Synchronization

/// A fixed set of threads, one per allowed processor, that run the same job and join.
///
/// Workers spin for some tens of microseconds between jobs, since an operator of the forward pass follows the last one
/// that soon; then they sleep, so that an idle runtime costs nothing and a starved machine does not collapse.
package final class ThreadPool: @unchecked Sendable {
  package let count: Int
  /// Charged with the operators of the passes that run here; nil where nobody asks.
  package let clock: OperatorClock?

  /// Jobs published so far; a worker runs when it sees a new number.
  private let generation = Atomic<UInt32>(0)
  private let unfinished = Atomic<Int>(0)
  private let sleepers = Atomic<Int>(0)
  private let shares: ChunkShares
  /// Written before `generation` is raised and read after it was seen: ordered by the atomic.
  private var job: ((Int) -> Void)?
  private var isStopping = false
  private var mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private var condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
  private var threads: [pthread_t] = []

  /// About 100 µs of pauses on current processors (a pause is 40 to 140 cycles): longer than a token takes to be chosen.
  private static let spinRounds = 4000

  /// - Throws: `LanguageRuntimeError.threadsUnavailable` when the system refuses a thread.
  package init(count: Int, clock: OperatorClock? = nil) throws(LanguageRuntimeError) {
    self.count = max(1, count)
    shares = ChunkShares(threads: self.count)
    self.clock = clock
    pthread_mutex_init(mutex, nil)
    pthread_cond_init(condition, nil)
    var processors = [Int32](repeating: 0, count: 1024)
    let allowed = Int(chp_allowed_processors(&processors, Int32(processors.count)))
    for index in 1..<max(2, self.count) where index < self.count {
      // With more threads than processors the system places them better than we do.
      let processor = allowed >= self.count ? processors[min(index, processors.count - 1)] : -1
      let start = Unmanaged.passRetained(WorkerStart(pool: self, index: index, processor: processor))
      var thread = pthread_t()
      let code = pthread_create(&thread, nil, runWorker, start.toOpaque())
      guard code == 0 else {
        start.release()
        throw .threadsUnavailable(errno: code)
      }
      threads.append(thread)
    }
  }

  /// Ends and joins the threads; the pool runs nothing afterwards. Must be called, since workers keep their pool.
  package func stop() {
    guard !threads.isEmpty else { return }
    isStopping = true
    publish()
    for thread in threads { pthread_join(thread, nil) }
    threads = []
  }

  deinit {
    pthread_mutex_destroy(mutex)
    pthread_cond_destroy(condition)
    mutex.deallocate()
    condition.deallocate()
    shares.deallocate()
  }

  /// Runs `body` once on every thread, the caller being thread 0, and returns when all are done.
  package func run(_ body: (_ thread: Int) -> Void) {
    guard threads.count > 0 else { return body(0) }
    withoutActuallyEscaping(body) { escaping in
      job = escaping
      unfinished.store(threads.count, ordering: .relaxed)
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
    guard threads.count > 0, count > grain else { return body(0, 0..<count) }
    let chunks = (count + grain - 1) / grain
    shares.divide(chunks)
    run { thread in
      while let chunk = self.shares.take(thread, of: chunks) {
        body(thread, chunk * grain..<min((chunk + 1) * grain, count))
      }
    }
  }

  private func publish() {
    generation.add(1, ordering: .sequentiallyConsistent)
    guard sleepers.load(ordering: .sequentiallyConsistent) > 0 else { return }
    pthread_mutex_lock(mutex)
    pthread_cond_broadcast(condition)
    pthread_mutex_unlock(mutex)
  }

  fileprivate func work(as index: Int) {
    var seen: UInt32 = 0
    while true {
      seen = waitForJob(after: seen)
      if isStopping { return }
      job?(index)
      unfinished.subtract(1, ordering: .releasing)
    }
  }

  private func waitForJob(after seen: UInt32) -> UInt32 {
    for _ in 0..<Self.spinRounds {
      let current = generation.load(ordering: .acquiring)
      if current != seen { return current }
      ck_pause()
    }
    pthread_mutex_lock(mutex)
    sleepers.add(1, ordering: .sequentiallyConsistent)
    while generation.load(ordering: .sequentiallyConsistent) == seen { pthread_cond_wait(condition, mutex) }
    sleepers.subtract(1, ordering: .sequentiallyConsistent)
    pthread_mutex_unlock(mutex)
    return generation.load(ordering: .acquiring)
  }
}

private final class WorkerStart {
  let pool: ThreadPool
  let index: Int
  let processor: Int32
  init(pool: ThreadPool, index: Int, processor: Int32) {
    self.pool = pool
    self.index = index
    self.processor = processor
  }
}

/// A global function: a closure written where C wants a pointer may be bound to the main actor.
private func runWorker(_ start: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
  guard let start else { return nil }
  let worker = Unmanaged<WorkerStart>.fromOpaque(start).takeRetainedValue()
  // Unpinned is slower, not wrong.
  if worker.processor >= 0 { _ = chp_pin_thread(worker.processor) }
  worker.pool.work(as: worker.index)
  return nil
}
