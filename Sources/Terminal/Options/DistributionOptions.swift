// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import CostModel

/// How a model is shared between devices and processor.
struct DistributionOptions: ParsableArguments {
  @Option(
    name: [.customLong("gpu-layers"), .customLong("n-gpu-layers"), .customLong("ngl")],
    help: ArgumentHelp(
      "Layers on the devices, the output head among them: a number, 'all', or 'auto' (as many as fit).",
      valueName: "count"))
  var gpuLayers = GPULayerCount.auto

  @Option(
    name: [.customLong("cpu-experts"), .customLong("n-cpu-moe")],
    help: ArgumentHelp("Layers, from the first, whose routed experts stay with the processor.", valueName: "count"))
  var processorExperts: Int?

  @Option(
    name: [.customLong("tensor-parallel"), .customLong("tensor-parallel-size"), .customLong("tp")],
    help: ArgumentHelp("Devices that share every matrix (vllm, sglang, tensorrt-llm).", valueName: "count"))
  var tensorParallel: Int?

  @Option(
    name: [.customLong("pipeline-parallel"), .customLong("pipeline-parallel-size"), .customLong("pp")],
    help: ArgumentHelp("Groups of devices that hold layers in turn (the same engines).", valueName: "count"))
  var pipelineParallel: Int?

  @Flag(
    name: [.customLong("expert-parallel"), .customLong("enable-expert-parallel"), .customLong("ep")],
    help: "Routed experts whole on one of the devices each, not a slice of each on all (the same engines).")
  var expertParallel = false

  var wish: DistributionWish {
    DistributionWish(
      gpuLayers: gpuLayers.wish, processorExperts: processorExperts, tensorParallel: tensorParallel,
      pipelineParallel: pipelineParallel, expertParallel: expertParallel)
  }

  func validate() throws {
    for (option, value) in [("--tensor-parallel", tensorParallel), ("--pipeline-parallel", pipelineParallel)] {
      if let value, !(1...64).contains(value) {
        throw ValidationError("'\(option) \(value)' is no count from 1 to 64.")
      }
    }
    if let processorExperts, !(0...65_536).contains(processorExperts) {
      throw ValidationError("'--cpu-experts \(processorExperts)' is no count of layers.")
    }
  }
}

/// `auto`, `all` or a number of layers.
enum GPULayerCount: ExpressibleByArgument, Equatable {
  case auto
  case all
  case count(Int)

  init?(argument: String) {
    switch argument.lowercased() {
    case "auto", "-1": self = .auto
    case "all", "999": self = .all
    default:
      guard let count = Int(argument), (0...65_536).contains(count) else { return nil }
      self = .count(count)
    }
  }

  var defaultValueDescription: String { "auto" }

  var wish: DistributionWish.GPULayers? {
    switch self {
    case .auto: nil
    case .all: .all
    case .count(let count): .count(count)
    }
  }
}
