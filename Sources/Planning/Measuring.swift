// SPDX-License-Identifier: Apache-2.0
internal import Archive
package import Compression
package import CostModel
package import Evidence
package import Hardware
package import Inference
package import JSONText
internal import LanguageModel
internal import ModelFiles
internal import Runner

/// How to measure.
package struct MeasuringOptions: Sendable {
  package var mode: Measurement.Mode
  package var samples: Int
  package var threads: ThreadWish
  /// A kernel set by name; nil takes the best.
  package var kernels: String?
  /// Whether weights are put into the order that the kernels read fastest.
  package var repacks: Bool
  /// Whether each operator of the forward pass is timed.
  package var profiles = false
  /// What measures the energy.
  package var meter = MeterChoice.best
  /// Seconds of rest to measure and to take off; nil measures none.
  package var idleSeconds: Double?
  package static let usualIdleSeconds = MeasurementRequest.usualIdleSeconds
  /// Only for a file as it is.
  package var adapters: [AdapterReference] = []
  package var toolVersion: String
  package var progress: @Sendable (String) -> Void
  package var isCancelled: @Sendable () -> Bool

  package init(
    mode: Measurement.Mode = .sampled, samples: Int = 5, threads: ThreadWish = .none, kernels: String? = nil,
    repacks: Bool = true, toolVersion: String, progress: @escaping @Sendable (String) -> Void = { _ in },
    isCancelled: @escaping @Sendable () -> Bool = { false }
  ) {
    self.mode = mode
    self.samples = samples
    self.threads = threads
    self.kernels = kernels
    self.repacks = repacks
    self.toolVersion = toolVersion
    self.progress = progress
    self.isCancelled = isCancelled
  }
}

extension PlanningSession {
  /// Measures one variant of a model here, and keeps the result.
  ///
  /// - Parameter variant: nil runs a file as it is, and a described model as published.
  package func measure(
    _ model: ModelReference, _ variant: CompressionVariant?, _ workload: Workload, _ options: MeasuringOptions
  ) throws -> Measurement {
    let machine = try profile(of: .here)
    let choice = ThreadChoice(machine, options.threads)
    // An archive that cannot be written is told before the work, not after it.
    let archive = try Archive(path: folders.archive)
    var weights: (any WeightSource)?
    var description = try self.description(of: model, for: variant)
    if variant == nil, case .path = model {
      let file = try self.file(of: model, adapters: options.adapters)
      weights = file.weights
      description = file.description
    }
    let name = variant?.name ?? (weights == nil ? CompressionVariant.original.name : Measurement.asInFile)
    var request = MeasurementRequest(
      model: try (variant ?? .original).applied(to: description), variant: name, weights: weights, workload: workload,
      threads: choice.counts, mode: weights == nil ? options.mode : .full,
      samples: options.samples)
    request.profiles = options.profiles
    request.meter = options.meter
    request.idleSeconds = options.idleSeconds
    let measurer = Measurer(
      machine: machine, kernels: try Self.kernels(options.kernels, repacks: options.repacks),
      toolVersion: options.toolVersion,
      progress: options.progress, isCancelled: options.isCancelled)
    var measurement = try measurer.measure(request)
    var kept = measurement
    kept.profile = nil
    kept.power = nil
    try archive.save(kept)
    if !options.threads.isComplete { measurement.threadsReason = choice.reason }
    return measurement
  }

  /// A set of kernels by name, or the best one of this processor.
  ///
  /// - Throws: `LanguageRuntimeError.kernelsUnavailable` for a name that is none, or that does not run here.
  package static func kernels(_ name: String?, repacks: Bool = true) throws -> KernelSet {
    let set = try name.map { name in
      guard let known = KernelSet.Name(rawValue: name) else {
        throw LanguageRuntimeError.kernelsUnavailable(name, available: KernelSet.available)
      }
      return try KernelSet(known)
    }
    return repacks ? set ?? .best : (set ?? .best).withoutRepacking
  }

  /// The stored measurements, newest first.
  package func history(model: String?) throws -> [(number: Int64, measurement: Measurement)] {
    try Archive(path: folders.archive).measurements(model: model)
  }

  /// The stored evaluations, newest first, as `evaluate` answers.
  package func judged(model: String?) throws -> [(number: Int64, evaluation: JSON)] {
    try Archive(path: folders.archive).evaluations(model: model)
  }

  package func forget(_ number: Int64) throws -> Bool { try Archive(path: folders.archive).deleteMeasurement(number) }
}
