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
    guard choice.variant.isGGUF else { return [] }
    let layers = platform.device == nil ? "--threads \(platform.threads)" : "--n-gpu-layers 999"
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
}
