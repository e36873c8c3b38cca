// SPDX-License-Identifier: Apache-2.0
import CKernels
import Glibc
import Synchronization

/// Where the caller of a pool announces jobs, and its workers say that they have run them.
///
/// A line of cache that one thread writes and another reads costs both of them some 100 ns, so each is written by one
/// side: the announcement, with the work beside it, by the caller; the count of what is finished, which only grows, by
/// the workers. Nothing else lies there.
final class JobBoard: @unchecked Sendable {
  /// The newest job; a worker runs when it sees a new one that it takes part in.
  private let newest: UnsafeMutablePointer<Atomic<UInt64>>
  /// There from before a job is announced until it is joined: ordered by the two atomics.
  private let work: UnsafeMutablePointer<Work>
  /// Runs of workers that have ended, of all jobs.
  private let finished: UnsafeMutablePointer<Atomic<Int>>
  private let memory: UnsafeMutableRawPointer
  /// Where those wait that found no job for a while, and those that the newest one left out.
  private let idle = WaitingRoom()
  private let leftOut = WaitingRoom()
  /// What `finished` is when all that was announced is done.
  @exclusivity(unchecked) private var due = 0
  /// What the caller asks for while it waits.
  @exclusivity(unchecked) private var upcoming = Upcoming.nothing

  /// About 50 µs of pauses on current processors (a pause is 40 to 140 cycles): longer than a token takes to be chosen.
  private static let spinRounds = 4000
  /// Processors fetch lines of 64 bytes in pairs.
  private static let lines = 128

  init() {
    memory = .allocate(byteCount: 2 * Self.lines, alignment: Self.lines)
    newest = memory.bindMemory(to: Atomic<UInt64>.self, capacity: 1)
    newest.initialize(to: Atomic(0))
    work = (memory + MemoryLayout<Atomic<UInt64>>.stride).bindMemory(to: Work.self, capacity: 1)
    finished = (memory + Self.lines).bindMemory(to: Atomic<Int>.self, capacity: 1)
    finished.initialize(to: Atomic(0))
  }

  deinit { memory.deallocate() }

  /// Lets the first `threads` threads but the caller run `body`; `join` must follow.
  ///
  /// - Parameter expected: what is read after this job; nil where that is still what it was.
  func announce(threads: Int, expecting expected: ExpectedReads?, _ body: @escaping (_ thread: Int) -> Void) {
    work.initialize(to: Work(expected: expected, body: body))
    if let expected { upcoming = expected.part(of: 0, among: threads) }
    due += threads - 1
    publish(threads: threads)
  }

  /// Returns when all workers have run what was announced.
  func join() {
    var rounds = 0
    while finished.pointee.load(ordering: .acquiring) != due {
      rounds += 1
      // Somebody else may have our worker's processor: let it run.
      if rounds % Self.spinRounds == 0 { sched_yield() } else { upcoming.askOrPause() }
    }
    work.deinitialize(count: 1)
  }

  /// Ends all workers.
  func dismiss() { publish(threads: 0) }

  /// Runs jobs as a worker until it is dismissed.
  func serve(as index: Int) {
    var (seen, upcoming) = (Job(0), Upcoming.nothing)
    while let job = nextJob(of: index, after: seen, asking: &upcoming) {
      work.pointee.run(on: index)
      if let expected = work.pointee.expected { upcoming = expected.part(of: index, among: job.threads) }
      finished.pointee.wrappingAdd(1, ordering: .releasing)
      seen = job
    }
  }

  private func publish(threads: Int) {
    let last = Job(newest.pointee.load(ordering: .relaxed))
    let next = Job(number: last.number &+ 1, threads: threads)
    newest.pointee.store(next.word, ordering: .sequentiallyConsistent)
    idle.wake()
    // Whoever was left out waits for a wider job than the last one: a row of equal ones wakes nobody.
    if next.threads > last.threads || next.isLast { leftOut.wake() }
  }

  /// The next job that a worker takes part in; it does not end without it. Nil when no more will come.
  private func nextJob(of index: Int, after seen: Job, asking upcoming: inout Upcoming) -> Job? {
    for _ in 0..<Self.spinRounds {
      let newest = Job(newest.pointee.load(ordering: .acquiring))
      if newest.word != seen.word { return take(newest, as: index) }
      upcoming.askOrPause()
    }
    return take(wait(in: idle) { $0.word != seen.word }, as: index)
  }

  private func take(_ job: Job, as index: Int) -> Job? {
    let own = job.concerns(index) ? job : wait(in: leftOut) { $0.concerns(index) }
    return own.isLast ? nil : own
  }

  /// Sleeps until the newest job is one of those wanted.
  private func wait(in room: WaitingRoom, for isWanted: (Job) -> Bool) -> Job {
    var job = Job(0)
    room.wait {
      job = Job(newest.pointee.load(ordering: .sequentiallyConsistent))
      return isWanted(job)
    }
    return job
  }

  /// Never copied: threads that run the closure where it lies don't count references to it.
  private struct Work: ~Copyable {
    let expected: ExpectedReads?
    let body: (_ thread: Int) -> Void

    borrowing func run(on thread: Int) { body(thread) }
  }

  /// A job as it is announced: its number, and in the low 16 bits the threads that run it; none ends the workers.
  private struct Job {
    let word: UInt64

    init(_ word: UInt64) { self.word = word }
    init(number: UInt64, threads: Int) { word = number << 16 | UInt64(min(threads, 0xFFFF)) }

    var number: UInt64 { word >> 16 }
    var threads: Int { Int(word & 0xFFFF) }
    var isLast: Bool { threads == 0 }

    func concerns(_ index: Int) -> Bool { index < threads || isLast }
  }
}
