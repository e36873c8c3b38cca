// SPDX-License-Identifier: Apache-2.0
import CostModel
import Hardware
import Quantities

/// The lines that say what an answer was computed for.
struct PlatformFace {
  let platform: Platform
  let workload: Workload
  /// Where speeds come from, unless an answer tells it further down.
  var tellsSpeeds = true

  var lines: [String] { [machine, memory, work] + (tellsSpeeds ? [speed] : []) }

  private var machine: String {
    let processor = platform.machine.processor
    let model = platform.machine.name
    if let names = platform.deviceNames { return "Machine   \(names), run by \(platform.engine.rawValue)" }
    // A machine of the catalogue is known by its rates, not by its cores.
    guard platform.machine.origin == .probed || platform.machine.origin == .recorded else {
      return "Machine   \(model), run by \(platform.engine.rawValue)"
    }
    let cores = Self.count(processor.coreCount, "core")
    return
      "Machine   \(model), \(cores), \(platform.threads) used, run by \(platform.engine.rawValue)"
  }

  private static func count(_ number: Int, _ noun: String) -> String { "\(number) \(noun)\(number == 1 ? "" : "s")" }

  private var memory: String {
    let usable = platform.capacity.usable.value.map(\.description) ?? "an unknown amount"
    return "Memory    \(usable) of \(platform.capacity.label); answers keep a margin of 8 %"
  }

  private var work: String {
    let sequences = workload.sequences > 1 ? ", \(workload.sequences) sequences" : ""
    return "Workload  context \(workload.contextTokens)\(sequences), \(workload.keyValueFormat.rawValue) cache, "
      + "prompt \(workload.promptTokens), \(workload.generatedTokens) generated"
  }

  private var speed: String {
    switch platform.speed {
    case .success(let speed): "Speeds    \(speed.basis.rawValue): \(speed.source)"
    case .failure(let reason): "Speeds    unknown: \(reason.reason)"
    }
  }
}
