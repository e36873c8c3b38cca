// SPDX-License-Identifier: Apache-2.0
internal import Quantities

/// The devices that share a model: equal ones at one pace, unequal ones each at its own.
///
/// Layers in turn take what each device takes for its own; of a prompt's micro-batches that are on their way together all
/// wait for the slowest device. Devices that share every matrix wait for the slowest at each joint sum.
struct DeviceStages: Sendable {
  /// Equal devices are told once.
  private let speeds: [FittedSpeed]
  let first: FittedSpeed
  let group: DeviceGroup
  private let distribution: Distribution

  /// - Parameter speeds: of unequal devices one for each, in the order of the stages.
  init(_ first: FittedSpeed, _ speeds: [FittedSpeed], _ distribution: Distribution, _ group: DeviceGroup) {
    self.first = first
    self.speeds = speeds
    self.distribution = distribution
    self.group = group
  }

  /// Where the constants come from; of unequal devices of each kind.
  var source: String {
    var sources: [String] = []
    for speed in speeds.isEmpty ? [first] : speeds where !sources.contains(speed.source) {
      sources.append(speed.source)
    }
    return sources.joined(separator: "; ")
  }

  /// What the devices hold of the model takes so long.
  ///
  /// - Parameter pass: the work of a portion of the model.
  func time(_ quantity: SpeedObservation.Quantity, _ pass: (WorkPortion) -> PassWork) -> PhaseTime {
    let whole = pass(distribution.onDevices)
    guard speeds.count > 1 else { return first.time(whole, quantity, sharedBy: group) }
    guard group.parallel == 1, speeds.count == group.stages else {
      let times = speeds.map { $0.time(whole, quantity, sharedBy: group) }
      return times.max { $0.total < $1.total } ?? PhaseTime()
    }
    let times = zip(speeds, distribution.stagePortions).map { $0.time(pass($1), quantity, isShared: true) }
    let sum = times.dropFirst().reduce(times[0], +)
    let waited = group.paced(whole, times.map(\.total)) / max(sum.total, .leastNormalMagnitude)
    return sum.scaled(by: waited) + exchange(whole, like: sum)
  }

  private func exchange(_ pass: PassWork, like time: PhaseTime) -> PhaseTime {
    var exchange = PhaseTime()
    exchange.transfer = group.transfer(pass)
    let doubt = group.link.errorDoubt
    exchange.range = (time.range.low / doubt, time.range.high * doubt)
    return exchange
  }
}

extension DeviceGroup {
  /// The seconds of a pass through stages that take so long for all its micro-batches: those that are on their way together
  /// follow each other at the slowest stage's pace.
  package func paced(_ pass: PassWork, _ stages: [Double]) -> Double {
    let (sum, slowest) = (stages.reduce(0, +), stages.max() ?? 0)
    return batches(pass).reduce(0) { $0 + $1.count * (sum + ($1.size - 1) * slowest) } / pass.launches
  }
}

extension Distribution {
  /// The part of the model that each stage computes.
  var stagePortions: [WorkPortion] {
    let all = Double(max(1, layers))
    let firstExpert = layers - expertLayers
    return stageLayers.enumerated().map { stage, range in
      let experts = max(0, range.upperBound - max(range.lowerBound, firstExpert))
      return WorkPortion(
        layers: Double(range.count) / all, experts: Double(experts) / all, hasHead: hasHead && stage == stages - 1)
    }
  }
}
