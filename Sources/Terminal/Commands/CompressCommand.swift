// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Compression
import CostModel
import Evidence
import JSONText
import Planning
import Quantities

struct CompressCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "compress",
    abstract: "Makes a variant of a model's weights from an f32, f16 or bf16 file or checkpoint.",
    discussion: """
      Every tensor gets the format that the variant gives it. With --calibration the model first reads a text, and
      weights whose inputs are large are kept more precisely. Layers, heads, channels and weights are taken out by what
      --prune-by says. A GGUF file holds awq4 and gptq4 as q4_1 blocks with the same integers, and zeros of a sparse
      variant like any other weight. The result appears under its name only when it is whole.

      A checkpoint's folder (config.json, safetensors, tokenizer.json) of a Llama, Mistral, Qwen 2 or Qwen 3 becomes a
      GGUF file with its vocabulary, and any GGUF file of a Llama a folder.

      Examples:
        anprobe compress model-f16.gguf model-q4_k_m.gguf --variant q4_k_m
        anprobe compress Qwen2.5-0.5B/ qwen2.5-0.5b-q8_0.gguf --variant q8_0
        anprobe compress model-f16.gguf model-iq4_xs.gguf --variant iq4_xs --calibration book.txt
        anprobe compress model-f16.gguf shallow.gguf --variant depth-2+q8_0 --calibration book.txt --prune-by influence
      """)

  @Argument(help: "A GGUF file in f32, f16 or bf16, or a checkpoint's folder.") var input: String
  @Argument(help: "The GGUF file to make, or a checkpoint's folder.") var output: String
  @Option(
    name: [.customShort("v"), .long],
    help: ArgumentHelp("How to store the weights ('anprobe variants' lists them).", valueName: "variant"))
  var variant: String
  @Option(help: ArgumentHelp("A text file, or the text itself, that says which weights matter.", valueName: "text"))
  var calibration: String?
  @Option(
    help: ArgumentHelp("Tokens of the calibration text to read at most.", valueName: "tokens"),
    transform: TokenCount.parse)
  var calibrationTokens = 32_768
  @Option(
    help: ArgumentHelp(
      """
      What goes first. Layers: angle (a block, the default with a text), influence, last. Heads and channels: \
      magnitude-l2 (the default), magnitude-l1, taylor (weight times gradient, with a text), random. Weights: sparsegpt \
      (the default with a text), wanda (with a text), magnitude. May be repeated, once for each kind.
      """, valueName: "criterion"))
  var pruneBy: [PruningCriterion] = []
  @Option(
    help: ArgumentHelp(
      "Layers that lose heads and channels, such as 4-27 (default: all but the first and last four).",
      valueName: "range"))
  var pruneLayers: LayerRange?
  @Option(
    name: .customLong("adapter"),
    help: ArgumentHelp(
      "A LoRA adapter to merge into the weights: a PEFT folder or a GGUF file, perhaps with a scale; may be repeated.",
      valueName: "path[=scale]"))
  var adapters: [String] = []
  @Flag(help: "Round AWQ's and GPTQ's groups to the nearest, without a text: what they are compared with.")
  var nearest = false
  @Option(
    name: [.customShort("t"), .long], help: ArgumentHelp("Threads to run with.", valueName: "count"),
    transform: ThreadCount.parse)
  var threads: Int?
  @OptionGroup var common: CommonOptions

  func run() throws {
    let console = common.console
    let variant = try CompressionVariant(parsing: variant)
    Interrupt.shared.listen()
    var options = CompressingOptions(
      calibration: calibration, calibrationTokens: calibrationTokens,
      pruning: PruningChoice(pruneBy, layers: pruneLayers?.layers),
      roundsToNearest: nearest,
      running: MeasuringOptions(
        threads: ThreadWish(threads: threads), toolVersion: Version.current, progress: { console.progress($0) },
        isCancelled: { Interrupt.shared.isRequested }))
    options.adapters = adapters.map(AdapterReference.init(parsing:))
    let record: CompressionRecord
    do {
      record = try common.session.compress(input, to: output, variant, options)
      console.endProgress()
    } catch {
      console.endProgress()
      throw error
    }
    guard !common.json else { return console.answer(command: "compress", record.members) }
    show(record, console)
  }

  private func show(_ record: CompressionRecord, _ console: Console) {
    console.answer([
      "\(record.output): \(record.model) as \(record.variant), \(record.bytes), "
        + "\(QuantityFormat.threeDigits(record.bitsPerWeight)) bits per weight, made in \(Seconds(record.seconds))", "",
    ])
    var table = TextTable([("FORMAT", .left), ("TENSORS", .right), ("BYTES", .right), ("RELATIVE ERROR", .right)])
    for format in record.formats {
      table.append([
        StyledText(format.name), StyledText("\(format.tensors)"), StyledText(format.bytes.description),
        StyledText(QuantityFormat.threeDigits(format.relativeError)),
      ])
    }
    console.answer(table)
  }
}
