// SPDX-License-Identifier: Apache-2.0
internal import Glibc
internal import Synchronization

/// Measures energy while something runs: samples its sources and answers for stretches of time afterwards.
///
/// What a source told before it died is kept and marked. Time comes from one clock, seconds since 1970 that no adjustment
/// of the date moves, so that another instrument's log can be laid beside it.
package final class EnergyMeter: Sendable {
  /// Why there is no meter: one line for each that was tried.
  package struct Unavailable: Error, Equatable, Sendable {
    package var reasons: [String]
    package var reason: String { reasons.joined(separator: "; ") }
  }

  package typealias Clock = @Sendable () -> Double

  /// `RAPL`, `battery`, `power command`.
  package let kind: String
  private let sources: [EnergySource]
  private let clock: Clock
  private let tracks: Mutex<[EnergyTrack]>
  private let sampler = Mutex<Task<Void, Never>?>(nil)
  private let onStop: @Sendable () -> Void
  /// Whether its power is somebody's word and not a reading.
  package let isGiven: Bool

  init(
    kind: String, _ sources: [EnergySource], isGiven: Bool = false, clock: @escaping Clock,
    onStop: @escaping @Sendable () -> Void = {}
  ) {
    self.kind = kind
    self.isGiven = isGiven
    self.sources = sources
    self.clock = clock
    self.onStop = onStop
    tracks = Mutex(sources.map { _ in EnergyTrack() })
  }

  deinit { stop() }

  /// What is counted: `package-0, package-0 dram`.
  package var counted: [String] { sources.filter(\.isCounted).map(\.name) }
  package var description: String { "\(kind) \(counted.joined(separator: ", "))" }

  /// What one source told so far.
  func track(_ index: Int) -> EnergyTrack { tracks.withLock { $0[index] } }

  /// The clock's seconds, after every source was read.
  @discardableResult package func sample() -> Double {
    let now = clock()
    tracks.withLock { tracks in
      for (index, source) in sources.enumerated() where !source.isLog && tracks[index].ending == nil {
        Self.read(source, now, into: &tracks[index])
      }
    }
    return now
  }

  private static func read(_ source: EnergySource, _ now: Double, into track: inout EnergyTrack) {
    do throws(MeterFailure) {
      for told in try source.read(now) { track.add(told.reading, at: told.seconds, counter: source.range) }
    } catch {
      track.ending = error.reason
    }
  }

  /// Samples by itself until `stop`: powers are sampled, and no wrap of a counter is missed.
  package func start(every seconds: Double = 0.1) {
    let task = Task.detached { [weak self] in
      while !Task.isCancelled, self?.sample() != nil { try? await Task.sleep(for: .seconds(seconds)) }
    }
    sampler.withLock { $0 = task }
  }

  /// Reads what is told a little later than it happened, then ends sampling and the program that was started.
  ///
  /// - Parameter moment: what must be covered; waited for at most `patience` times a twentieth of a second.
  package func finish(covering moment: Double, patience: Int = 60) {
    for _ in 0..<patience {
      sample()
      let isCovered = tracks.withLock { tracks in
        zip(sources, tracks).allSatisfy { !$0.tellsLater || $1.ending != nil || $1.end.map { $0 >= moment } ?? false }
      }
      if isCovered { break }
      usleep(50_000)
    }
    stop()
    let now = clock()
    tracks.withLock { tracks in
      for (index, source) in sources.enumerated() where source.isLog { Self.read(source, now, into: &tracks[index]) }
    }
  }

  package func stop() {
    sampler.withLock { task in
      task?.cancel()
      task = nil
    }
    onStop()
  }

  /// Mean power of everything that is counted, over the covered part of the windows.
  package func meanPower(in windows: [EnergyTrack.Window]) -> Result<MeanPower, MeterFailure> {
    let tracks = tracks.withLock { $0 }
    var sum: MeanPower?
    for (source, track) in zip(sources, tracks) where source.isCounted {
      guard let power = Self.power(source, track, windows) else {
        return .failure(MeterFailure("\(source.name): \(track.ending ?? "no reading covers the run")"))
      }
      sum = sum.map { $0 + power } ?? power
    }
    guard let sum else { return .failure(MeterFailure("nothing is counted")) }
    guard sum.high > 0, zip(sources, tracks).contains(where: { $0.isCounted && $1.hasMoved }) else {
      return .failure(MeterFailure("the counter did not move: \(description)"))
    }
    return .success(sum)
  }

  /// Each source alone, those that are not added included.
  package func parts(in windows: [EnergyTrack.Window]) -> [(name: String, power: MeanPower)] {
    zip(sources, tracks.withLock { $0 }).compactMap { source, track in
      Self.power(source, track, windows).map { (source.name, $0) }
    }
  }

  private static func power(
    _ source: EnergySource, _ track: EnergyTrack, _ windows: [EnergyTrack.Window]
  ) -> MeanPower? {
    track.meanPower(in: windows, refresh: source.refresh, accuracy: source.accuracy)
  }

  /// What makes the figures less certain: sources that died, stood still, or were reset.
  package var doubts: [String] {
    zip(sources, tracks.withLock { $0 }).filter { $0.0.isCounted }.flatMap { source, track in
      let still = track.points.count > 1 && !track.hasMoved ? ["it stood still during the run"] : []
      let ending = track.ending.map { ["it ended: \($0); what it told until then counts"] } ?? []
      return (track.doubts + still + ending).map { "\(source.name): \($0)" }
    }
  }

  /// Seconds since 1970 at the start of this process's use of it, and from there on by the monotonic clock.
  package static let wallClock: Clock = {
    @Sendable func seconds(_ clock: clockid_t) -> Double {
      var time = timespec()
      clock_gettime(clock, &time)
      return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
    }
    let offset = seconds(CLOCK_REALTIME) - seconds(CLOCK_MONOTONIC)
    return { seconds(CLOCK_MONOTONIC) + offset }
  }()
}
