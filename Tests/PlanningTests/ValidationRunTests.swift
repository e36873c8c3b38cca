// SPDX-License-Identifier: Apache-2.0
import Compression
import CostModel
import Evidence
import Hardware
import HardwareProbe
import JSONText
import LanguageModel
import Planning
import Quantities
import Runner
import Testing

/// What is measured of one variant, and which calibration belongs to it.
@Suite struct ValidationRunTests {
  private func request(_ variant: String) throws -> MeasurementRequest {
    let configuration: JSON = [
      "model_type": "llama", "vocab_size": 512, "hidden_size": 256, "intermediate_size": 512, "num_hidden_layers": 2,
      "num_attention_heads": 4, "num_key_value_heads": 2, "tie_word_embeddings": false, "torch_dtype": "float16",
    ]
    let model = try LanguageModelDescription(
      configuration: configuration, name: "small", provenance: .configuration(path: "test"))
    let workload = Workload(promptTokens: 8, generatedTokens: 4, contextTokens: 32, microBatch: 8)
    return MeasurementRequest(
      model: try CompressionVariant(parsing: variant).applied(to: model), variant: variant, workload: workload,
      threads: 1, mode: .full, samples: 2)
  }

  private func run(keeping kept: Calibration?) throws -> ValidationRun {
    var machine = try HardwareProbe().profile()
    machine.processor.caches = []
    return ValidationRun(measurer: Measurer(machine: machine, toolVersion: "test"), kept: kept)
  }

  private let kept = Calibration(
    date: "2026-11-30T00:00:00Z", toolVersion: "test", kernelSet: "portable", duration: Seconds(1),
    rates: [.init(.matvec, format: "q5_1", threads: 1, perSecond: 7, low: 7, high: 7, samples: 1)], overheads: [],
    warnings: [])

  @Test func `without a calibration one run tells speed and memory`() throws {
    let (runs, calibration) = try run(keeping: nil).results(request("q8_0"))
    #expect(calibration == nil)
    let measurement = try #require(runs.first).get()
    #expect(runs.count == 1)
    #expect(measurement.decode?.tokensPerSecond.samples.count == 2)
    #expect(measurement.peakResident.value != nil)
  }

  @Test func `by turns with a calibration of the variant's formats the memory has a run of its own`() throws {
    let (runs, calibration) = try run(keeping: kept).results(request("q8_0"))
    #expect(runs.count == 2)
    let (speed, memory) = (try runs[0].get(), try runs[1].get())
    #expect(speed.decode?.tokensPerSecond.samples.count == 2)
    #expect(speed.peakResident.value == nil)
    #expect(memory.decode == nil && memory.prefill == nil)
    #expect(try #require(memory.peakResident.value) >= memory.allocated)
    let rates = try #require(calibration).rates
    #expect(Set(rates.filter { $0.operation == .matvec }.map(\.format)) == ["q8_0", "q5_1"])
    #expect(rates.contains { $0.operation == .gemm && $0.format == "q8_0" })
    // The embedding is looked up, not multiplied; the head is a matrix of its own.
    #expect(!rates.contains { $0.operation == .gemm && $0.format == "f16" })
  }

  @Test func `what does not fit is a reason, and nothing is measured in its place`() throws {
    var small = try HardwareProbe().profile()
    small.processor.caches = []
    (small.memory.limit, small.memory.usedOfLimit) = (.mebibytes(1), nil)
    let run = ValidationRun(measurer: Measurer(machine: small, toolVersion: "test"), kept: kept)
    let (runs, calibration) = try run.results(request("q8_0"))
    #expect(runs.count == 1)
    #expect(calibration == nil)
    #expect(throws: RunnerError.self) { try runs[0].get() }
  }
}
