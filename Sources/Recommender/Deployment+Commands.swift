// SPDX-License-Identifier: Apache-2.0
internal import CostModel
internal import Compression
internal import Quantities

extension Deployment {
  /// How to obtain the choice and run it with its engine.
  static func commands(for choice: CostEstimate, on platform: Platform) -> [Deployment] {
    let obtain = choice.variant.howToObtain.map { Deployment(purpose: "obtain the variant", command: $0) }
    return obtain + run(choice, on: platform)
  }

  private static func run(_ choice: CostEstimate, on platform: Platform) -> [Deployment] {
    let workload = choice.workload
    let cells = workload.contextTokens * max(1, workload.sequences)
    let cache = workload.keyValueFormat.rawValue
    guard choice.variant.isGGUF else { return served(choice, on: platform, context: workload) }
    let layers = layers(choice, on: platform)
    let server = Deployment(
      purpose: "serve it with llama.cpp",
      command: "llama-server --model MODEL.gguf --ctx-size \(cells) --parallel \(max(1, workload.sequences)) "
        + "--cache-type-k \(cache) --cache-type-v \(cache) \(layers)")
    guard platform.engine == .anprobe else { return [server] }
    return [
      Deployment(
        purpose: "measure it here before fetching anything",
        command:
          "anprobe measure '\(choice.model)' --variant \(choice.variant.name) --context \(workload.contextTokens)"),
      Deployment(
        purpose: "try it", command: "anprobe generate MODEL.gguf --prompt 'Hello' --context \(workload.contextTokens)"),
      server,
    ]
  }

  /// llama.cpp's options for where the layers stand.
  private static func layers(_ choice: CostEstimate, on platform: Platform) -> String {
    guard platform.device != nil, let distribution = choice.distribution, distribution.usesDevices else {
      return threads(platform)
    }
    let counted = distribution.hasHead ? distribution.deviceLayers + 1 : distribution.deviceLayers
    let held = distribution.deviceLayers == distribution.layers ? "--n-gpu-layers 999" : "--n-gpu-layers \(counted)"
    let kept = distribution.layers - distribution.expertLayers
    let experts = distribution.expertLayers < distribution.deviceLayers ? " --n-cpu-moe \(kept)" : ""
    return held + experts + (distribution.usesProcessor ? " " + threads(platform) : "")
  }

  private static func threads(_ platform: Platform) -> String {
    let (decode, prefill) = (platform.threads.decode, platform.threads.prefill)
    return "--threads \(decode)" + (prefill == decode ? "" : " --threads-batch \(prefill)")
  }

  /// vLLM and SGLang fetch a checkpoint by its name.
  private static func served(_ choice: CostEstimate, on platform: Platform, context: Workload) -> [Deployment] {
    guard let distribution = choice.distribution, distribution.usesDevices, choice.variant == .original else {
      return []
    }
    let length = context.contextTokens
    switch platform.engine {
    case .vllm:
      return [
        Deployment(
          purpose: "serve it with vLLM",
          command: "vllm serve '\(choice.model)' --max-model-len \(length) --tensor-parallel-size "
            + "\(distribution.parallel) --pipeline-parallel-size \(distribution.stages)")
      ]
    case .sglang:
      return [
        Deployment(
          purpose: "serve it with SGLang",
          command: "python3 -m sglang.launch_server --model-path '\(choice.model)' --context-length \(length) "
            + "--tp \(distribution.parallel) --pp \(distribution.stages)")
      ]
    default: return []
    }
  }
}
