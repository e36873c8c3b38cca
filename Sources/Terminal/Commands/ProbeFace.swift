// SPDX-License-Identifier: Apache-2.0
import Hardware
import Quantities

/// The hardware profile for people.
struct ProbeFace {
  let profile: HardwareProfile

  func show(_ console: Console) {
    console.answer(processor + memory + devices + power + surroundings)
    console.answer([""])
    console.answer(instructionSets)
    console.answer(calibration)
    console.answer(profile.notes.map { "Mind: \($0)" })
  }

  private var processor: [String] {
    let part = profile.processor
    let kinds =
      part.coreKinds.count > 1 ? part.coreKinds.map { "\($0.coreCount) \($0.name)" }.joined(separator: " + ") : ""
    return [
      "Processor   \(profile.name) (\(part.architecture)\(part.vendor.map { ", \($0)" } ?? ""))",
      "            \(Self.count(part.packageCount, "package")), \(Self.count(part.dieCount, "die")), "
        + "\(Self.count(part.coreCount, "core"))\(kinds.isEmpty ? "" : " (\(kinds))"), "
        + "\(Self.count(part.processingUnitCount, "PU")); \(Self.count(part.usableThreads, "thread")) can run at once",
    ]
      + part.caches.map {
        "            L\($0.level) \($0.kind.rawValue): \($0.count) × \($0.size), each for \(Self.count($0.sharedByProcessingUnits, "PU"))"
      } + limits
  }

  private var limits: [String] {
    let part = profile.processor.limits
    let quota = part.quotaProcessors.map {
      "            quota \(QuantityFormat.threeDigits($0)) processors (\(part.quotaSource ?? "unknown source"))"
    }
    let offline = part.offlineCount > 0 ? "            \(Self.count(part.offlineCount, "PU")) offline" : nil
    return [quota, offline].compactMap { $0 }
  }

  private var memory: [String] {
    let part = profile.memory
    var lines = [
      "Memory      \(Self.text(part.total)) in all, \(Self.text(part.available)) available, \(Self.text(part.usable)) usable"
    ]
    if let limit = part.limit {
      lines.append("            limited to \(limit) by \(part.limitSource ?? "an unknown source")")
    }
    if part.numaNodes.count > 1 {
      lines += part.numaNodes.map {
        "            NUMA node \($0.index): \(Self.text($0.capacity)), distances \($0.distances)"
      }
    }
    return lines
  }

  private var devices: [String] {
    guard !profile.accelerators.isEmpty else { return ["Accelerator none found"] }
    return profile.accelerators.map {
      "Accelerator \($0.name): \(Self.text($0.memoryTotal)) memory, \(Self.text($0.bandwidth)); from \($0.source)"
    }
  }

  private var power: [String] {
    guard !profile.powerSensors.isEmpty else { return ["Power       no sensor found"] }
    return profile.powerSensors.map {
      "Power       \($0.kind.rawValue) \($0.domain): \($0.isReadable ? "readable" : "not readable"), \($0.reason)"
    }
  }

  private var surroundings: [String] {
    let virtual =
      switch profile.virtualisation {
      case .bareMetal: "bare metal"
      case .virtualMachine(let hypervisor): "virtual machine (\(hypervisor))"
      case .unknown: "unknown whether virtual"
      }
    let container = profile.container.kind.map {
      "in a container (\($0), by \(profile.container.evidence ?? "its files"))"
    }
    let system = profile.operatingSystem.map { "\($0.name), kernel \($0.kernel)" }
    let governor = profile.frequency.governor.map { "governor \($0)" }
    return ["System      " + [system, virtual, container, governor].compactMap { $0 }.joined(separator: ", ")]
  }

  private var instructionSets: TextTable {
    var table = TextTable([("INSTRUCTIONS", .left), ("PRESENT", .left), ("WORTH USING", .left), ("WHY", .left)])
    for set in profile.processor.instructionSets {
      table.append([
        StyledText(set.name), StyledText(set.isPresent ? "yes" : "no", set.isPresent ? .good : .faint),
        StyledText(set.isWorthUsing ? "yes" : "no", set.isWorthUsing ? .good : .faint), StyledText(set.reason, .faint),
      ])
    }
    return table
  }

  private var calibration: [String] {
    guard let part = profile.calibration else {
      return ["", "Not calibrated: 'anprobe probe --calibrate' measures the kernels in about ten seconds."]
    }
    let head = "Calibrated \(part.date) in \(part.duration), \(part.kernelSet) kernels"
    let shown = part.rates.filter { $0.operation == .read || $0.operation == .matvec || $0.operation == .gemm }
    return ["", head] + shown.map(Self.line) + part.warnings.map { "  Mind: \($0)" }
  }

  private static func line(_ rate: Calibration.Rate) -> String {
    let isArithmetic = rate.operation == .gemm
    func amount(_ value: Double) -> String {
      isArithmetic ? OperationRate(magnitude: value).description : Bandwidth(magnitude: value).description
    }
    let size = rate.operandBytes > 0 ? " in jobs of \(ByteCount(rate.operandBytes))" : ""
    let format = rate.format.isEmpty ? "" : " \(rate.format)"
    return "  \(rate.operation.rawValue)\(format)\(size), \(count(rate.threads, "thread")): \(amount(rate.perSecond)) "
      + "(\(amount(rate.low)) to \(amount(rate.high)), \(count(rate.samples, "sample")))"
  }

  private static func count(_ number: Int, _ noun: String) -> String { "\(number) \(noun)\(number == 1 ? "" : "s")" }

  private static func text<Value: CustomStringConvertible>(_ value: Known<Value>) -> String {
    value.value.map(\.description) ?? "unknown"
  }
}
