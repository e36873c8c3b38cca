// SPDX-License-Identifier: Apache-2.0
package import Quantities

/// Where the parts of a model stand and compute.
package struct Distribution: Sendable, Equatable {
  package let layers: Int
  /// Devices that share every matrix (tensor parallel).
  package var parallel = 1
  /// Groups of such devices that hold layers in turn (pipeline).
  package var stages = 1
  /// What unequal devices hold of the layers, in proportion; empty for equal ones.
  package var shares: [Double] = []
  /// Routed experts stand whole on one of the devices that share all else.
  package var holdsExpertsWhole = false
  /// Layers, the last of the model, that stand on devices with their cache.
  package var deviceLayers: Int
  /// Of these, the last ones whose routed experts are with them; those of the others are with the processor.
  package var expertLayers: Int
  /// Whether the output head stands on a device.
  package var hasHead: Bool

  /// Everything with the processor.
  package static func processor(layers: Int) -> Distribution {
    Distribution(layers: layers, deviceLayers: 0, expertLayers: 0, hasHead: false)
  }

  /// Everything on devices.
  package static func devices(layers: Int, parallel: Int = 1, stages: Int = 1) -> Distribution {
    Distribution(
      layers: layers, parallel: parallel, stages: stages, deviceLayers: layers, expertLayers: layers, hasHead: true)
  }

  /// The output head and the layers before it on devices that hold them in turn, as `--gpu-layers` counts them.
  ///
  /// - Source: llama.cpp's loader, 2026: the last of layers and head go to devices, the head counts as one.
  package static func split(layers: Int, counted: Int, stages: Int) -> Distribution {
    let held = max(0, min(layers, counted - 1))
    return Distribution(
      layers: layers, stages: counted > 0 ? stages : 1, deviceLayers: held, expertLayers: held, hasHead: counted > 0)
  }

  package var devices: Int { hasHead || deviceLayers > 0 ? parallel * stages : 0 }
  package var isOnDevices: Bool { hasHead && deviceLayers == layers && expertLayers == layers }
  package var usesProcessor: Bool { !isOnDevices }
  package var usesDevices: Bool { devices > 0 }

  /// What the devices compute, and what is left for the processor.
  var onDevices: WorkPortion {
    let all = Double(max(1, layers))
    return WorkPortion(layers: Double(deviceLayers) / all, experts: Double(expertLayers) / all, hasHead: hasHead)
  }
  var onProcessor: WorkPortion {
    WorkPortion(layers: 1 - onDevices.layers, experts: 1 - onDevices.experts, hasHead: !hasHead)
  }

  /// In words, for people.
  package var sentence: String {
    guard usesDevices else { return "on the processor" }
    var parts: [String] = []
    if parallel > 1 { parts.append("every matrix shared by \(parallel) devices") }
    if stages > 1 { parts.append("layers in turn on \(stages) \(parallel > 1 ? "groups of them" : "devices")") }
    if holdsExpertsWhole { parts.append("routed experts whole on one of them each") }
    if !shares.isEmpty { parts.append("as many on each as its memory has room for") }
    if parts.isEmpty { parts.append("on one device") }
    if deviceLayers < layers {
      parts.append("\(layers - deviceLayers) of \(layers) layers with the processor")
    }
    if expertLayers < deviceLayers {
      parts.append("experts of \(deviceLayers - expertLayers) more with the processor")
    }
    return parts.joined(separator: ", ")
  }
}

/// The part of a model's work that one place does.
package struct WorkPortion: Sendable, Equatable {
  /// Shares of the layers' mixers and dense parts, and of their routed experts.
  package var layers = 1.0
  package var experts = 1.0
  package var hasHead = true

  package static let whole = WorkPortion()
}

/// What a person asks of the distribution; what is nil the engine decides.
package struct DistributionWish: Sendable, Equatable {
  package enum GPULayers: Sendable, Equatable {
    case all
    /// Layers and the output head, counted from the end.
    case count(Int)
  }

  package var gpuLayers: GPULayers?
  /// Layers, from the first, whose routed experts stay with the processor.
  package var processorExperts: Int?
  package var tensorParallel: Int?
  package var pipelineParallel: Int?
  /// Routed experts whole on one device each.
  package var expertParallel = false

  package static let none = DistributionWish()

  package init(
    gpuLayers: GPULayers? = nil, processorExperts: Int? = nil, tensorParallel: Int? = nil,
    pipelineParallel: Int? = nil, expertParallel: Bool = false
  ) {
    self.expertParallel = expertParallel
    self.gpuLayers = gpuLayers
    self.processorExperts = processorExperts
    self.tensorParallel = tensorParallel
    self.pipelineParallel = pipelineParallel
  }
}

/// Why a wish for a distribution cannot be met.
package enum DistributionError: ExplainedError, Equatable {
  /// The engine has no such option.
  case notByEngine(option: String, Engine)
  case tooFewDevices(wanted: Int, there: Int, machine: String)
  case noDevice(option: String, machine: String)

  package var kind: String { "distribution" }

  package var message: String {
    switch self {
    case .notByEngine(let option, let engine): "\(engine.rawValue) has nothing like '\(option)'."
    case .tooFewDevices(let wanted, let there, let machine):
      "\(wanted) devices are asked for, and '\(machine)' has \(there) of one kind."
    case .noDevice(let option, let machine): "'\(option)' needs a device, and none computes on '\(machine)'."
    }
  }

  package var remedy: String {
    switch self {
    case .notByEngine:
      "--gpu-layers and --cpu-experts are of llama.cpp and its relatives, --tensor-parallel, --pipeline-parallel and "
        + "--expert-parallel of vllm, sglang and tensorrt-llm."
    case .tooFewDevices: "Ask for fewer, or describe a machine with more: --machine \"4x RTX 3090\"."
    case .noDevice: "Name a machine with one: --machine \"RTX 4090, host-memory=64GB, host-bandwidth=80GB/s\"."
    }
  }

  package var exitCode: ExitReason { .badInput }
}

extension DistributionWish {
  /// - Parameter there: equal devices that compute; zero where the processor does.
  func check(_ engine: Engine, there: Int, machine: String) throws(DistributionError) {
    let sharing = EngineRules.of(engine).sharing
    if gpuLayers != nil, !sharing.countsLayers { throw .notByEngine(option: "--gpu-layers", engine) }
    if processorExperts != nil, !sharing.countsLayers { throw .notByEngine(option: "--cpu-experts", engine) }
    if tensorParallel != nil, !sharing.dividesMatrices { throw .notByEngine(option: "--tensor-parallel", engine) }
    if pipelineParallel != nil, !sharing.dividesMatrices { throw .notByEngine(option: "--pipeline-parallel", engine) }
    if expertParallel, !sharing.dividesMatrices { throw .notByEngine(option: "--expert-parallel", engine) }
    let wanted = (tensorParallel ?? 1) * (pipelineParallel ?? 1)
    if there == 0 {
      if gpuLayers != nil, gpuLayers != .count(0) { throw .noDevice(option: "--gpu-layers", machine: machine) }
      if wanted > 1 { throw .noDevice(option: "--tensor-parallel", machine: machine) }
    } else if wanted > there {
      throw .tooFewDevices(wanted: wanted, there: there, machine: machine)
    }
  }
}
