// SPDX-License-Identifier: Apache-2.0
import Compression
import CostModel
import Evidence
import Foundation
import Hardware
import Inference
import LanguageModel
import ModelFiles
import Quantities
import Runner
import Synchronization
import Testing

@Suite struct MeasurerTests {
  @Test(arguments: ["f32", "f16", "q8_0", "q4_0", "q4_k_m", "iq2_xxs"])
  func `a full run allocates its plan, and that much is resident`(_ variant: String) throws {
    let request = try Fixture.request(variant)
    let measurement = try Measurer(machine: Fixture.machine(), toolVersion: "test").measure(request)
    #expect(measurement.allocated == Fixture.plan(request).total)
    // Every buffer is touched, so no less can be resident.
    #expect(try #require(measurement.peakResident.value) >= measurement.allocated)
    #expect(measurement.peakResident.basis == .measured)
  }

  @Test func `a full run names what ran and has the samples that were asked for`() throws {
    let request = try Fixture.request(samples: 4)
    let kernels = try KernelSet(.portable)
    let measurement = try Measurer(machine: Fixture.machine(), kernels: kernels, toolVersion: "1.2.3").measure(request)
    #expect(measurement.mode == .full)
    #expect(measurement.isComplete)
    #expect(measurement.isSynthetic)
    #expect(measurement.threads == 2)
    #expect(measurement.kernels == "portable")
    #expect(measurement.toolVersion == "1.2.3")
    #expect(measurement.variant == "q8_0")
    #expect(measurement.inventoryDigest == request.model.inventory.digest)
    #expect(measurement.prefill?.tokens == 8)
    #expect(measurement.decode?.tokens == 4)
    for phase in [measurement.prefill, measurement.decode] {
      let samples = try #require(phase?.tokensPerSecond.samples)
      #expect(samples.count == 4)
      #expect(samples.allSatisfy { $0 > 0 && $0.isFinite })
    }
  }

  @Test func `a file's own weights run, and are not called synthetic`() throws {
    let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .appendingPathComponent("InferenceTests/Models/stories260K-f32.gguf").path
    let file = try ModelFile.open(path)
    let request = MeasurementRequest(
      model: file.description, variant: "as the file has it", weights: file.weights, workload: Fixture.workload,
      threads: 1, mode: .full, samples: 1)
    let measurement = try Measurer(machine: Fixture.machine(), toolVersion: "test").measure(request)
    #expect(!measurement.isSynthetic)
    #expect(measurement.inventoryDigest == file.description.inventory.digest)
    #expect(measurement.allocated == Fixture.plan(request).total)
  }

  @Test func `a run for the memory alone passes once and times nothing`() throws {
    var request = try Fixture.request()
    request.onlyMemory = true
    let measurement = try Measurer(machine: Fixture.machine(), toolVersion: "test").measure(request)
    #expect(measurement.prefill == nil)
    #expect(measurement.decode == nil)
    #expect(measurement.isComplete)
    #expect(measurement.peakResident.value != nil)
  }

  /// Questions are asked before every prefill and every decode sample: the count tells what must be kept.
  @Test(arguments: [(1, 1, 0), (2, 1, 1), (3, 2, 1), (4, 2, 2), (5, 3, 2)])
  func `an interrupted run keeps its samples and says that it is incomplete`(
    _ patience: Int, _ prefills: Int, _ decodes: Int
  ) throws {
    let stop = Stop(after: patience)
    let measurer = Measurer(machine: try Fixture.machine(), toolVersion: "test", isCancelled: { stop.isAsked })
    let measurement = try measurer.measure(Fixture.request())
    #expect(!measurement.isComplete)
    #expect(measurement.prefill?.tokensPerSecond.samples.count ?? 0 == prefills)
    #expect(measurement.decode?.tokensPerSecond.samples.count ?? 0 == decodes)
  }

  @Test func `a run that is stopped before its first sample is no measurement`() throws {
    let measurer = Measurer(machine: try Fixture.machine(), toolVersion: "test", isCancelled: { true })
    #expect(throws: RunnerError.interrupted) { try measurer.measure(Fixture.request()) }
  }

  @Test func `what does not fit is refused with its figures before anything is loaded`() throws {
    let steps = Mutex<[String]>([])
    var machine = try MachineDescription(inline: "kind=cpu,memory=1MB,bandwidth=20GB/s,cores=2").profile
    machine.memory.available = .exact(.mebibytes(1), .measured)
    let request = try Fixture.request("f32")
    let measurer = Measurer(
      machine: machine, toolVersion: "test", progress: { step in steps.withLock { $0.append(step) } })
    let error = #expect(throws: RunnerError.self) { try measurer.measure(request) }
    guard case .doesNotFit(let model, let variant, let needed, let usable, _) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(model == "small")
    #expect(variant == "f32")
    #expect(needed >= Fixture.plan(request).total)
    #expect(usable <= .mebibytes(1))
    #expect(error?.exitCode == .nothingFits)
    #expect(error?.message.contains(needed.description) == true)
    #expect(error?.message.contains(usable.description) == true)
    let isUntouched = steps.withLock { $0.isEmpty }
    #expect(isUntouched)
  }

  @Test func `tokens that do not go into the context are refused with their number`() throws {
    var request = try Fixture.request()
    request.workload.promptTokens = 30
    let measurer = Measurer(machine: try Fixture.machine(), toolVersion: "test")
    #expect(throws: RunnerError.contextTooShort(context: 32, needed: 34)) { try measurer.measure(request) }
  }

  @Test func `a model type without a forward pass is refused by name`() throws {
    var request = try Fixture.request()
    request.model.architecture.modelType = "mamba"
    let measurer = Measurer(machine: try Fixture.machine(), toolVersion: "test")
    let error = #expect(throws: LanguageRuntimeError.self) { try measurer.measure(request) }
    #expect(error?.message.contains("mamba") == true)
  }

  @Test func `a sampled run loads some layers and claims no peak memory`() throws {
    let machine = try Fixture.machine(lastLevelCache: .kibibytes(64))
    let request = try Fixture.request(layers: 40, mode: .sampled)
    let measurement = try Measurer(machine: machine, toolVersion: "test").measure(request)
    #expect(measurement.mode == .sampled)
    #expect(measurement.allocated < Fixture.plan(request).total)
    #expect(measurement.peakResident.value == nil)
    #expect(measurement.peakResident.reason?.contains("--full") == true)
    #expect(measurement.inventoryDigest == request.model.inventory.digest)
  }

  @Test func `a measurement tells both numbers of threads, and allocates for the larger one`() throws {
    var request = try Fixture.request(samples: 1)
    request.threads = ThreadCounts(decode: 1, prefill: 3)
    let measurement = try Measurer(machine: try Fixture.machine(), toolVersion: "test").measure(request)
    #expect(measurement.threads == 1)
    #expect(measurement.threadsBatch == 3)
    #expect(measurement.allocated == Fixture.plan(request).total)
  }

  @Test func `a model too small to sample runs whole and says so`() throws {
    let machine = try Fixture.machine(lastLevelCache: .gibibytes(1))
    let measurement = try Measurer(machine: machine, toolVersion: "test").measure(Fixture.request(mode: .sampled))
    #expect(measurement.mode == .full)
    #expect(measurement.peakResident.value != nil)
  }
}
