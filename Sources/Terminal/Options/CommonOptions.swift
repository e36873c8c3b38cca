// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import CostModel
import Planning

/// What every command takes.
struct CommonOptions: ParsableArguments {
  @Flag(help: "Answer in JSON with stable keys (docs/json.md).")
  var json = false

  @Option(help: ArgumentHelp("Also read models and machines from this folder.", valueName: "dir"))
  var profiles: [String] = []

  var console: Console { Console(isJSON: json) }
  var session: PlanningSession { PlanningSession(profileFolders: profiles) }
}

/// What the model is asked to do.
struct WorkloadOptions: ParsableArguments {
  @Option(
    name: [.customShort("c"), .long, .customLong("context-length"), .customLong("max-context")],
    help: ArgumentHelp("Positions in the KV cache of one sequence, such as 4096 or 64k.", valueName: "tokens"),
    transform: TokenCount.parse)
  var context: Int?

  @Option(
    name: [.customShort("p"), .long], help: ArgumentHelp("Tokens of the prompt.", valueName: "tokens"),
    transform: TokenCount.parse)
  var prompt: Int?

  @Option(
    name: [.customShort("n"), .long], help: ArgumentHelp("Tokens to generate.", valueName: "tokens"),
    transform: TokenCount.parse)
  var generate: Int?

  @Option(
    name: [.long, .customLong("users"), .customLong("batch")],
    help: ArgumentHelp("Sequences served at the same time.", valueName: "count"), transform: TokenCount.parse)
  var sequences: Int?

  @Option(help: ArgumentHelp("Format of the KV cache: f16, q8_0 ...", valueName: "format"))
  var kv: KeyValueFormat?

  @Flag(inversion: .prefixedNo, help: "With flash attention, as llama.cpp runs by itself since 2025.")
  var flashAttention = true

  @Flag(inversion: .prefixedNo, help: "With products that decode packed weights on the way (AWQ's and GPTQ's kernels).")
  var fusedKernels = true

  @Option(
    name: [.customLong("micro-batch"), .customLong("ubatch")],
    help: ArgumentHelp("Prompt tokens of one forward pass (llama.cpp's -ub).", valueName: "tokens"),
    transform: TokenCount.parse)
  var microBatch: Int?

  /// A model caches at most 2³² elements per position (`checkCache`): so many positions stay inside 64 bits.
  static let mostPositions = 1 << 28

  func validate() throws {
    let workload = self.workload()
    guard Double(workload.contextTokens) * Double(workload.sequences) <= Double(Self.mostPositions) else {
      throw ValidationError(
        "'--context' times '--users' is more than \(Self.mostPositions) positions. Ask for less of one of them.")
    }
  }

  /// The workload with the given defaults where nothing was asked for.
  func workload(_ defaults: Workload = Workload()) -> Workload {
    var workload = defaults
    workload.contextTokens = context ?? workload.contextTokens
    // Lengths that nobody asked for shrink with the context; those asked for must fit.
    workload.promptTokens = prompt ?? min(workload.promptTokens, max(1, workload.contextTokens * 3 / 4))
    workload.generatedTokens =
      generate ?? min(workload.generatedTokens, max(0, workload.contextTokens - workload.promptTokens))
    workload.sequences = sequences ?? workload.sequences
    workload.keyValueFormat = kv ?? workload.keyValueFormat
    workload.microBatch = microBatch ?? workload.microBatch
    workload.hasFlashAttention = flashAttention
    workload.hasFusedKernels = fusedKernels
    return workload
  }
}

extension KeyValueFormat: ExpressibleByArgument {}
extension Engine: ExpressibleByArgument {}

/// Token counts as people write them: `4096`, `64k` (65,536).
enum TokenCount {
  static func parse(_ text: String) throws -> Int {
    let isThousands = text.last == "k" || text.last == "K"
    guard let number = Int(isThousands ? String(text.dropLast()) : text), number > 0, number <= 1 << 30 else {
      throw ValidationError("'\(text)' is no count of tokens. Give a whole number from 1, such as 4096 or 64k.")
    }
    return isThousands ? number * 1024 : number
  }
}

/// The machine to plan for.
struct MachineOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "A catalogue name such as '2x RTX 3090, nvlink' or 'RTX 3090 + RTX 4090', a profile file, or "
        + "kind=gpu,memory=24GB,bandwidth=1008GB/s,... (default: this machine).",
      valueName: "machine"))
  var machine: String?

  @Option(help: ArgumentHelp("The program that runs the model.", valueName: "engine"))
  var engine: Engine?

  @OptionGroup var threads: ThreadOptions

  @Option(help: ArgumentHelp("A recorded machine: a folder or file from 'probe --snapshot'.", valueName: "path"))
  var root: String?

  @Flag(inversion: .prefixedNo, help: "Measure this machine's kernels first (once, seconds) when nobody has yet.")
  var calibrate = true

  @OptionGroup var distribution: DistributionOptions

  func request(_ workload: Workload) -> PlanningRequest {
    let reference: MachineReference =
      if let root { .recorded(root: root) } else if let machine { .named(machine) } else { .here }
    return PlanningRequest(
      machine: reference, engine: engine, threads: threads.wish, workload: workload, wish: distribution.wish)
  }

  func validate() throws {
    guard machine == nil || root == nil else {
      throw ValidationError("Give either --machine or --root, not both.")
    }
  }
}

/// One model, named in one of three ways.
struct ModelOptions: ParsableArguments {
  @Argument(help: "A catalogue name, a GGUF file, a folder with config.json, or hf:OWNER/NAME.")
  var model: String?

  @Option(help: ArgumentHelp("A config.json as Hugging Face writes it.", valueName: "file"))
  var config: String?

  var reference: ModelReference { config.map { .path($0) } ?? ModelReference(model ?? "") }

  func validate() throws {
    guard (model == nil) != (config == nil) else {
      throw ValidationError("Name one model: a catalogue name, a file, a folder, hf:OWNER/NAME, or --config FILE.")
    }
  }
}
