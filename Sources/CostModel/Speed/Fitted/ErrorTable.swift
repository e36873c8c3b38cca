// SPDX-License-Identifier: Apache-2.0

/// A central 90 % interval of the measured value as factors of the predicted one.
package struct ErrorInterval: Sendable, Equatable {
  package var low: Double
  package var high: Double

  package init(low: Double, high: Double) {
    self.low = low
    self.high = high
  }

  package var width: Double { high / low }

  package func contains(measured: Double, predicted: Double) -> Bool {
    measured >= low * predicted && measured <= high * predicted
  }
}

/// Errors of predictions for machines that were left out, ln(measured / predicted).
///
/// Intervals are calibrated by machines (cross-conformal): among the errors that may be known, each machine is left out in
/// turn, and the tails are cut, or the ends stretched, where nine in ten of what was left out, and of the next machine, lies
/// inside. No shape of the errors is assumed.
package struct ErrorTable: Sendable {
  package struct Entry: Sendable, MachineError {
    package var machine: String
    package var classKey: String
    package var kind: DeviceKind
    package var quantity: SpeedObservation.Quantity
    package var error: Double

    package init(
      machine: String, classKey: String, kind: DeviceKind, quantity: SpeedObservation.Quantity, error: Double
    ) {
      self.machine = machine
      self.classKey = classKey
      self.kind = kind
      self.quantity = quantity
      self.error = error
    }
  }

  /// In rising order of their errors.
  private let entries: [Entry]

  package init(_ entries: [Entry]) {
    self.entries = entries.sorted { ($0.error, $0.machine) < ($1.error, $1.machine) }
  }

  /// A class speaks for itself from this many machines on; else its kind of device does, else its group.
  static let enoughMachines = 10

  /// The interval that the errors on other machines suggest; it always holds the predicted value.
  package func interval(
    _ classKey: String, _ kind: DeviceKind, _ quantity: SpeedObservation.Quantity, without machine: String? = nil,
    by rule: IntervalRule = .machines
  ) -> ErrorInterval {
    let others = entries.filter { $0.quantity == quantity && $0.machine != machine }
    // Several devices of a class speak for themselves as soon as they can be calibrated, since no wider class holds them.
    let several = others.filter { $0.kind == .gpus && $0.classKey == classKey }
    let speaks = kind == .gpus && Self.machines(several) >= IntervalRule.enoughToCalibrate
    return rule.interval(of: speaks ? several : Self.like(classKey, kind, others))
  }

  /// The errors of a class, of its kind of device where that has too few machines, else of all. Several devices that do not
  /// speak for themselves take those of one and of several together; one device never takes those of several.
  private static func like(_ classKey: String, _ kind: DeviceKind, _ others: [Entry]) -> [Entry] {
    let known = kind == .gpus ? others : others.filter { $0.kind != .gpus }
    let ofKind = known.filter { $0.kind == kind || kind == .gpus && $0.kind == .gpu }
    let candidates = [known.filter { $0.classKey == classKey }, ofKind]
    return candidates.first { machines($0) >= enoughMachines } ?? known
  }

  private static func machines(_ entries: [Entry]) -> Int { Set(entries.map(\.machine)).count }
}
