// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Compression
import CostModel
import Evidence
import Inference
import JSONText
import Planning
import Quantities

struct RunOptions: ParsableArguments {
  @Flag(help: "Run the whole model instead of a sample of its layers.") var full = false
  @Option(help: ArgumentHelp("Samples, of which the median counts.", valueName: "count"), transform: TokenCount.parse)
  var samples = 5
  @OptionGroup var threads: ThreadOptions
  @Option(help: ArgumentHelp("\(KernelSet.Name.list) (default: the best).", valueName: "set"))
  var kernels: String?
  @Flag(inversion: .prefixedNo, help: "Put weights into the order that the kernels read fastest; a file's are copied.")
  var repack = true

  func options(_ console: Console) -> MeasuringOptions {
    let interrupt = Interrupt.shared
    return MeasuringOptions(
      mode: full ? .full : .sampled, samples: samples, threads: threads.wish, kernels: kernels,
      repacks: repack, toolVersion: Version.current, progress: { console.progress($0) },
      isCancelled: { interrupt.isRequested })
  }
}

struct MeasureCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "measure",
    abstract: "Runs the model here, on synthetic weights unless a file is given, and reports speed and memory.",
    discussion: """
      Without --full a few layers, the embedding and the head run and stand for the whole: seconds instead of minutes.
      Ctrl-C keeps the samples taken so far.

      Examples:
        anprobe measure tinyllama-1.1b --variant q4_k_m
        anprobe measure qwen2.5-0.5b --variant q8_0 --full --context 8192
        anprobe measure tinyllama-1.1b --variant q4_0 --batch 8
        anprobe measure model.gguf --profile
        anprobe measure large.gguf --draft small.gguf --draft-tokens 4
        anprobe measure model.gguf --json
        anprobe measure tinyllama-1.1b --variant q4_0 --full --subtract-idle --price 0.30 --grid DE
        anprobe measure model.gguf --power-command 'stdbuf -oL read-my-plug' --json
      """)

  @OptionGroup var model: ModelOptions
  @Option(
    name: [.customShort("v"), .long],
    help: ArgumentHelp(
      "How the weights are stored; default: as published, or as the file has them.", valueName: "variant"))
  var variant: String?
  @Flag(help: "Also show where the time goes: each operator beside the limits of this machine.") var profile = false
  @Option(
    name: .customLong("adapter"),
    help: ArgumentHelp(
      "A LoRA adapter kept apart: a PEFT folder or a GGUF file, perhaps with a scale; may be repeated.",
      valueName: "path[=scale]"))
  var adapters: [String] = []
  @OptionGroup var drafting: DraftOptions
  @Option(
    help: ArgumentHelp(
      "The text that --draft continues; default: from the beginning of a sequence.", valueName: "text"))
  var promptText: String?
  @OptionGroup var workload: WorkloadOptions
  @OptionGroup var runOptions: RunOptions
  @OptionGroup var meter: MeterOptions
  @OptionGroup var tariff: TariffOptions
  @OptionGroup var common: CommonOptions

  func validate() throws {
    guard adapters.isEmpty || variant == nil else {
      throw ValidationError("--adapter stands beside a file's own weights: leave --variant away, or take lora-16.")
    }
    guard drafting.draft == nil || variant == nil && !profile else {
      throw ValidationError("--draft judges a file's own weights: leave --variant and --profile away.")
    }
    guard drafting.draft != nil || promptText == nil else { throw ValidationError("--prompt-text goes with --draft.") }
  }

  func run() throws {
    let console = common.console
    let variant = try variant.map { try CompressionVariant(parsing: $0) }
    Interrupt.shared.listen()
    if drafting.draft != nil { return try measureDraft(console) }
    var options = runOptions.options(console)
    options.profiles = profile
    meter.apply(to: &options)
    options.adapters = adapters.map(AdapterReference.init(parsing:))
    let measurement: Measurement
    do {
      measurement = try common.session.measure(
        model.reference, variant, workload.workload(), options)
      console.endProgress()
    } catch {
      console.endProgress()
      throw error
    }
    if common.json {
      let bill = tariff.json(EnergyBill(perToken: measurement.energyPerToken))
      console.answer(command: "measure", measurement.members + [.init("bill", bill)])
    } else {
      MeasureFace(measurement: measurement, tariff: tariff).show(console)
      if let profile = measurement.profile { ProfileFace(profile: profile).show(console) }
    }
    if !measurement.isComplete { throw ExitStatus.failure }
  }

  /// Drafting beside decoding token by token.
  private func measureDraft(_ console: Console) throws {
    guard case .path(let path) = model.reference else {
      throw ValidationError("--draft judges a file's own weights: name a GGUF file or a checkpoint's folder.")
    }
    let workload = self.workload.workload()
    var options = GeneratingOptions(
      prompt: .text(promptText ?? ""), count: max(1, workload.generatedTokens), sampler: .init(temperature: 0),
      workload: workload, threads: runOptions.threads.wish, kernels: runOptions.kernels, repacks: runOptions.repack)
    options.adapters = adapters.map(AdapterReference.init(parsing:))
    options.draft = drafting.reference
    defer { console.endProgress() }
    let measurement = try common.session.measureDraft(
      path, options, samples: runOptions.samples, progress: { console.progress($0) },
      isCancelled: { Interrupt.shared.isRequested })
    console.endProgress()
    guard !common.json else { return console.answer(command: "measure", measurement.members) }
    DraftFace(measurement: measurement).show(console)
  }
}

/// A measurement for people.
struct MeasureFace {
  let measurement: Measurement
  let tariff: TariffOptions

  private var counts: ThreadCounts { ThreadCounts(decode: measurement.threads, prefill: measurement.threadsBatch) }

  func show(_ console: Console) {
    let variant = measurement.variant == Measurement.asInFile ? measurement.variant : "as \(measurement.variant)"
    let weights = measurement.isSynthetic ? "synthetic weights" : "the file's weights"
    let mode = measurement.mode == .full ? "the whole model" : "a sample of the layers, scaled by their bytes"
    console.answer([
      "\(measurement.model) \(variant), \(weights), \(mode); \(counts), "
        + "\(measurement.kernels) kernels", "",
    ])
    var table = TextTable([
      ("FIGURE", .left), ("MEDIAN", .right), ("FROM", .right), ("TO", .right), ("SAMPLES", .right),
    ])
    add("prefill", measurement.prefill, &table)
    add("decode", measurement.decode, &table)
    addShare(&table)
    console.answer(table)
    let threads = measurement.threadsReason.map { ["Threads: \(counts), \($0)"] } ?? []
    console.answer([""] + threads + memory + [""])
    console.answer(MeasuredEnergyFace(measurement: measurement, tariff: tariff).lines)
    console.answer(measurement.warnings.map { "Mind: \($0.message)" })
    if !measurement.isComplete { console.answer(["Interrupted: these are the samples taken until then."]) }
  }

  private func add(_ name: String, _ phase: Measurement.Phase?, _ table: inout TextTable) {
    guard let phase else { return }
    let statistics = phase.tokensPerSecond
    func cell(_ value: Double) -> StyledText { StyledText(TokenRate(magnitude: value).description) }
    table.append([
      StyledText("\(name), \(phase.tokens) tokens"), cell(statistics.median), cell(statistics.interval.low),
      cell(statistics.interval.high), StyledText("\(statistics.samples.count)"),
    ])
  }

  /// What each of several sequences gets of the decode rate.
  private func addShare(_ table: inout TextTable) {
    guard measurement.sequences > 1, let phase = measurement.decode else { return }
    let rates = phase.tokensPerSecond.samples.map { $0 / Double(measurement.sequences) }
    let share = Measurement.Phase(tokens: phase.tokens, tokensPerSecond: SampleStatistics(rates))
    add("each of \(measurement.sequences) sequences", share, &table)
  }

  private var memory: [String] {
    let peak = measurement.peakResident.value.map(\.description) ?? "unknown: \(measurement.peakResident.reason ?? "")"
    return ["Allocated \(measurement.allocated)", "Peak resident \(peak)"]
  }
}
