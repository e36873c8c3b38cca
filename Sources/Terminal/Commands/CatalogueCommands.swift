// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Compression
import CostModel
import Hardware
import Inference
import JSONText
import Planning
import Profiles
import Quantities
import Reports

struct ModelsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "models", abstract: "The catalogue of models, with licence and source.",
    discussion: "Examples:\n  anprobe models\n  anprobe models gemma --json")

  @Argument(help: "Words of the models' names.") var names: [String] = []
  @OptionGroup var common: CommonOptions

  func run() throws {
    let catalogue = try common.session.models()
    let entries = names.isEmpty ? catalogue.entries : names.flatMap { catalogue.entries(containing: $0) }
    guard !common.json else {
      let rows = entries.map { entry -> JSON in
        [
          "identifier": .string(entry.identifier), "name": .string(entry.name), "family": .string(entry.family),
          "kind": .string(entry.kind), "release": .string(entry.release), "licence": .string(entry.licence),
          "parametersTotal": entry.counts.total.map { .integer(Int64($0)) } ?? .null,
          "parametersActive": entry.counts.active.map { .integer(Int64($0)) } ?? .null,
          "source": .string(entry.configurationSource),
        ]
      }
      return common.console.answer(command: "models", [.init("models", .array(rows))])
    }
    var table = TextTable([
      ("MODEL", .left), ("PARAMETERS", .right), ("ACTIVE", .right), ("KIND", .left), ("RELEASE", .left),
      ("LICENCE", .left),
    ])
    for entry in entries {
      table.append([
        StyledText(entry.identifier), count(entry.counts.total), count(entry.counts.active), StyledText(entry.kind),
        StyledText(entry.release), StyledText(entry.licence),
      ])
    }
    common.console.answer(table)
  }

  private func count(_ value: Int?) -> StyledText {
    value.map { StyledText(EstimateFace.count($0)) } ?? StyledText("–", .faint)
  }
}

struct VariantsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "variants",
    abstract: "The compression variants of a model: size, whether a kernel runs each, its loss, how to obtain it.",
    discussion: """
      With --kernels it lists the formats instead, and how the built-in runtime multiplies each: by the best set of
      kernels, or by a named one. With --sparsity it measures, in some seconds, from which share of zeros kept weights
      beat dense ones here, in memory and in speed.

      Examples:
        anprobe variants
        anprobe variants tinyllama-1.1b --json
        anprobe variants --kernels
        anprobe variants --kernels avx2 --json
        anprobe variants --sparsity
      """)

  @Argument(help: "The model whose bits per weight and losses are shown.") var model = "llama-3-8b"
  @Option(
    defaultAsFlag: KernelPathsFace.best,
    help: ArgumentHelp("Show the kernels of each format: \(KernelSet.Name.list).", valueName: "set"))
  var kernels: String?
  @Flag(inversion: .prefixedNo, help: "With --kernels: of weights in the order that the kernels read fastest.")
  var repack = true
  @Flag(help: "Measure rows of kept weights beside dense ones, with --kernels by the named set.") var sparsity = false
  @Option(
    name: [.customShort("t"), .long], help: ArgumentHelp("Threads to measure with.", valueName: "count"),
    transform: ThreadCount.parse)
  var threads: Int?
  @OptionGroup var common: CommonOptions

  func run() throws {
    if sparsity { return try showSparsity() }
    if let kernels { return try showKernels(kernels) }
    let estimates = try common.session.variants(of: ModelReference(model))
    guard !common.json else {
      let rows = estimates.map { estimate -> JSON in
        [
          "variant": .string(estimate.variant.name), "isGGUF": .bool(estimate.variant.isGGUF),
          "bitsPerWeight": .number(estimate.bitsPerWeight),
          "parametersTotal": .integer(Int64(estimate.parametersTotal)),
          "runsHere": .bool(estimate.obstacle == nil),
          "obstacle": estimate.obstacle.map { .string($0.sentence) } ?? .null, "quality": estimate.quality.json,
          "howToObtain": .array(estimate.variant.howToObtain.map { .string($0) }),
        ]
      }
      return common.console.answer(
        command: "variants",
        [
          .init("model", .string(estimates.first?.model ?? model)), .init("variants", .array(rows)),
          .init(
            "notOffered",
            .array(
              CompressionVariant.notOffered.map { ["family": .string($0.family), "reason": .string($0.reason)] })),
        ])
    }
    var table = TextTable([
      ("VARIANT", .left), ("FILE", .left), ("BITS/W", .right), ("RUNS HERE", .left), ("LOSS", .left),
      ("EVIDENCE", .left), ("HOW TO OBTAIN", .left),
    ])
    for estimate in estimates {
      table.append([
        StyledText(estimate.variant.name), StyledText(estimate.variant.isGGUF ? "GGUF" : "safetensors"),
        StyledText(QuantityFormat.fixed(estimate.bitsPerWeight, decimals: 2)),
        StyledText(estimate.obstacle == nil ? "yes" : "no"), EstimateCells.grade(estimate.quality),
        EstimateCells.evidence(estimate.quality),
        StyledText(estimate.variant.howToObtain.joined(separator: "; "), .faint),
      ])
    }
    common.console.answer(table)
    let obstacles = Set(estimates.compactMap { $0.obstacle?.sentence }).sorted()
    common.console.answer(
      [""] + obstacles.map { "Not here: \($0)." }
        + CompressionVariant.notOffered.map { "Not offered: \($0.family): \($0.reason)." })
  }
}

extension VariantsCommand {
  private func showSparsity() throws {
    let name = kernels == KernelPathsFace.best ? nil : kernels
    let found = try common.session.sparsity(kernels: name, threads: threads) { common.console.progress($0) }
    let face = SparsityFace(table: found)
    guard common.json else { return face.show(common.console) }
    common.console.answer(command: "variants", face.members)
  }

  private func showKernels(_ name: String) throws {
    let set = try PlanningSession.kernels(name == KernelPathsFace.best ? nil : name, repacks: repack)
    let face = KernelPathsFace(set: set)
    guard common.json else { return face.show(common.console) }
    common.console.answer(command: "variants", face.members)
  }
}

struct MachinesCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "machines", abstract: "The machines and devices known by their vendors' figures, for --machine.",
    discussion: "Examples:\n  anprobe machines\n  anprobe machines --json")

  @OptionGroup var common: CommonOptions

  func run() throws {
    let machines = try common.session.machines().machines
    guard !common.json else {
      let rows = machines.map { machine -> JSON in
        [
          "name": .string(machine.name), "vendor": .string(machine.vendor),
          "computes": .string(machine.computes.rawValue), "devices": .integer(Int64(machine.devices)),
          "memoryBytes": machine.memory.map { .integer($0.bytes) } ?? .null,
          "bandwidthBytesPerSecond": machine.bandwidth.map { .number($0.magnitude) } ?? .null,
          "thermalDesignWatts": machine.thermalDesign.map { .number($0.watts) } ?? .null,
          "source": .string(machine.source),
        ]
      }
      return common.console.answer(command: "machines", [.init("machines", .array(rows))])
    }
    var table = TextTable([("MACHINE", .left), ("COMPUTES", .left), ("MEMORY", .right), ("BANDWIDTH", .right)])
    for machine in machines {
      table.append([
        StyledText(machine.name), StyledText(machine.computes.rawValue),
        StyledText(machine.memory.map(\.description) ?? "–"), StyledText(machine.bandwidth.map(\.description) ?? "–"),
      ])
    }
    common.console.answer(table)
  }
}
