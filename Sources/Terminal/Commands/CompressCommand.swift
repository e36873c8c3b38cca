// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Compression
import Evidence
import JSONText
import Planning
import Quantities

struct CompressCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "compress",
    abstract: "Makes a variant of a model's weights: a GGUF file from an f32, f16 or bf16 one.",
    discussion: """
      Every tensor gets the format that the variant gives it. With --calibration the model first reads a text, and
      weights whose inputs are large are kept more precisely. The result appears under its name only when it is whole.

      Examples:
        anprobe compress model-f16.gguf model-q4_k_m.gguf --variant q4_k_m
        anprobe compress model-f16.gguf model-iq4_xs.gguf --variant iq4_xs --calibration book.txt
      """)

  @Argument(help: "A GGUF file in f32, f16 or bf16.") var input: String
  @Argument(help: "The GGUF file to make.") var output: String
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
    name: [.customShort("t"), .long], help: ArgumentHelp("Threads to run with.", valueName: "count"),
    transform: ThreadCount.parse)
  var threads: Int?
  @OptionGroup var common: CommonOptions

  func run() throws {
    let console = common.console
    let variant = try CompressionVariant(parsing: variant)
    Interrupt.shared.listen()
    let options = CompressingOptions(
      calibration: calibration, calibrationTokens: calibrationTokens,
      running: MeasuringOptions(
        threads: threads, toolVersion: Version.current, progress: { console.progress($0) },
        isCancelled: { Interrupt.shared.isRequested }))
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
