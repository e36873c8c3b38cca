// SPDX-License-Identifier: Apache-2.0
package import LanguageModel
package import Quantities

/// A published memory figure with what is needed to predict it.
package struct MemoryObservation: Sendable {
  /// What of the whole somebody read.
  package enum Component: String, Sendable, CaseIterable {
    case weights
    /// Keys and values on all devices.
    case cache = "KV cache"
    /// The compute buffer of the device with the output head.
    case compute = "compute buffer"
    /// The peak of a serving engine's profiling batch, per device.
    case activations
    /// What a serving engine's share leaves for the cache, per device.
    case room = "room for the cache"
    /// What the engine itself counts, without the driver's context.
    case total
  }

  package var engine: Engine
  package var model: String
  package var label: String
  package var component: Component
  package var architecture: ModelArchitecture
  package var weights: ByteCount
  package var workload: Workload
  package var placement: EngineMemory.Placement
  package var measured: ByteCount

  package init(
    engine: Engine, model: String, label: String, component: Component, architecture: ModelArchitecture,
    weights: ByteCount, workload: Workload, placement: EngineMemory.Placement, measured: ByteCount
  ) {
    self.engine = engine
    self.model = model
    self.label = label
    self.component = component
    self.architecture = architecture
    self.weights = weights
    self.workload = workload
    self.placement = placement
    self.measured = measured
  }

  /// By the engine's rules, of which no coefficient belongs to a single model.
  package var predicted: Known<ByteCount> {
    let items = EngineMemory.items(engine, architecture, weights: weights, workload, placement)
    let devices = Double(placement.devices)
    func sum(_ wanted: (MemoryFootprint.Item) -> Bool) -> Known<ByteCount> {
      items.filter(wanted).reduce(.exact(.zero, .modelled)) { $0 + $1.bytes }
    }
    switch component {
    case .weights: return EngineMemory.loaded(weights / devices)
    case .cache: return sum { $0.kind == .keyValueCache }
    case .compute: return sum { $0.label == "compute buffer" }
    case .activations: return sum { $0.label == "activations" }.map { $0 / devices }
    case .room:
      let memory = ServingMemory(architecture, weights: weights, workload, placement)
      return memory.room.map { $0.map { $0 / devices } } ?? .unknown(reason: "no memory of the device")
    case .total: return sum { $0.kind != .overhead }
    }
  }

  /// A figure's own digits: an exact prediction counts as met within half a per cent.
  static let digits = 0.005

  /// Its error, for the margins of its class; nil where nothing can be predicted.
  var marginEntry: ConformalErrors.Entry? {
    guard let value = predicted.value, value > .zero else { return nil }
    return ConformalErrors.Entry(
      group: model, classes: component.marginClasses(engine),
      error: Logarithm.natural(measured.magnitude / value.magnitude))
  }

  /// Nil where nothing can be predicted.
  ///
  /// - Parameter margin: the factor either way that the interval is widened to.
  package func accuracyCase(margin: Double = 1) -> AccuracyRow.Case? {
    let predicted = self.predicted.stretched(toAtLeast: margin)
    guard let value = predicted.value, let low = predicted.low, let high = predicted.high else { return nil }
    let ratio = measured.magnitude
    return AccuracyRow.Case(
      machine: model, error: abs(value.magnitude / ratio - 1),
      isInside: isInside(ErrorInterval(low: 1 / margin, high: margin)),
      width: high.magnitude / max(1, low.magnitude),
      ruleError: component == .total ? abs(1.2 * weights.magnitude / ratio - 1) : nil)
  }

  /// Whether the rules' own interval holds it, widened to one of errors.
  func isInside(_ interval: ErrorInterval) -> Bool {
    let predicted = self.predicted
    guard let value = predicted.value?.magnitude, let low = predicted.low?.magnitude,
      let high = predicted.high?.magnitude
    else { return false }
    let ends = (low: min(low, value * interval.low), high: max(high, value * interval.high))
    return measured.magnitude >= ends.low * (1 - Self.digits) && measured.magnitude <= ends.high * (1 + Self.digits)
  }
}
