// SPDX-License-Identifier: Apache-2.0
internal import CostModel
package import Evidence
package import Hardware
internal import Inference
internal import LanguageModel
internal import Quantities
package import Runner

/// What is measured of one variant, to hold its estimate against.
package struct ValidationRun {
  private let measurer: Measurer
  /// The machine's calibration, whose rates of the variant's kernels are sampled anew by turns with its runs; nil leaves
  /// them as they are.
  private let kept: Calibration?

  package init(measurer: Measurer, kept: Calibration?) {
    self.measurer = measurer
    self.kept = kept
  }

  /// Runs, or the reason why there is none; with the calibration that belongs to them, if it is not the machine's own.
  /// Causes other than a lack of memory end the validation.
  package func results(
    _ request: MeasurementRequest
  ) throws -> (runs: [Result<Measurement, RunnerError>], calibration: Calibration?) {
    let (first, calibration) = try speed(request)
    // A small model is its own sample, and its memory was measured with it, unless the calibration's lay beside it.
    guard case .success(let measurement) = first, measurement.peakResident.value == nil else {
      return ([first], calibration)
    }
    var whole = request
    whole.mode = .full
    whole.onlyMemory = true
    return ([first, try attempt { try measurer.measure(whole) }], calibration)
  }

  private func speed(
    _ request: MeasurementRequest
  ) throws -> (run: Result<Measurement, RunnerError>, calibration: Calibration?) {
    guard let kept, hasRoom(request) else { return (try attempt { try measurer.measure(request) }, nil) }
    let pool = try ThreadPool(counts: request.threads)
    defer { pool.stop() }
    let tracker = try RateTracker(
      calibrator, of: Self.formats(request.model), ModelWork(request.model.architecture, request.workload), on: pool,
      barrier: RateBook(kept, threads: request.threads.decode).overhead(.barrier) ?? 0)
    let run = try attempt {
      var measurement = try measurer.measure(request, between: tracker.sample)
      measurement.peakResident = .unknown(reason: "a calibration's weights lay beside the model's")
      return measurement
    }
    return (run, tracker.calibration(in: kept))
  }

  private var calibrator: Calibrator {
    Calibrator(machine: measurer.machine, kernels: measurer.kernels, toolVersion: measurer.toolVersion)
  }

  /// Whether a calibration's weights find room beside a whole model; a sample of its layers leaves enough.
  private func hasRoom(_ request: MeasurementRequest) -> Bool {
    guard request.mode == .full else { return true }
    let fit: Void? = try? Measurer.checkFit(
      request.model, variant: request.variant, workload: request.workload, on: measurer.machine,
      threads: request.threads, besides: calibrator.regionBytes)
    return fit != nil
  }

  private func attempt(_ body: () throws -> Measurement) throws -> Result<Measurement, RunnerError> {
    do { return .success(try body()) } catch let error as RunnerError { return .failure(error) }
  }

  /// How the runtime keeps the matrices that products read.
  private static func formats(_ model: LanguageModelDescription) -> [RuntimeFormat] {
    var formats: [RuntimeFormat] = []
    for tensor in model.inventory.tensors where !tensor.isVector {
      guard tensor.role != .tokenEmbedding || model.architecture.hasTiedEmbeddings else { continue }
      guard let format = tensor.runtimeFormat, !formats.contains(format) else { continue }
      formats.append(format)
    }
    return formats
  }
}
