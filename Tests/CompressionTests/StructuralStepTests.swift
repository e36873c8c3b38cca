// SPDX-License-Identifier: Apache-2.0
import Compression
import LanguageModel
import Profiles
import Quantities
import Testing

@Suite struct `Changes of shape` {
  private static func model(_ name: String) throws -> LanguageModelDescription {
    try ModelCatalogue.builtIn().entry(named: name).description()
  }

  private static let llama = "meta-llama/Meta-Llama-3-8B"
  private static let tiny = "TinyLlama/TinyLlama-1.1B-Chat-v1.0"

  private func failure(_ text: String, on model: String? = nil) throws -> CompressionError? {
    do throws(CompressionError) {
      let variant = try CompressionVariant(parsing: text)
      guard let model = try? model.map(Self.model) else { return nil }
      _ = try variant.applied(to: model)
      return nil
    } catch { return error }
  }

  @Test(arguments: ["depth-8", "width-0.3", "width-0.125", "lora-16-merged", "depth-8+lora-16-merged+awq4-g128"])
  func `are spelled as they are parsed`(text: String) throws {
    #expect(try CompressionVariant(parsing: text).name == text)
    #expect(try CompressionVariant(parsing: text.uppercased()).name == text)
  }

  @Test func `eight layers less are eight layers' weights less`() throws {
    let original = try Self.model(Self.llama)
    let variant = try CompressionVariant(parsing: "depth-8+q8_0")
    let pruned = try variant.applied(to: original)
    // A layer: queries and output 4096², keys and values 1024 × 4096 each, three of 14,336 × 4096, two norms.
    let layer = 2 * 4096 * 4096 + 2 * 1024 * 4096 + 3 * 14_336 * 4096 + 2 * 4096
    #expect(original.parametersTotal == 8_030_261_248)
    #expect(pruned.parametersTotal == 8_030_261_248 - 8 * layer)
    #expect(pruned.architecture.layers.count == 24)
    #expect(Set(pruned.inventory.tensors.map(\.layer)) == Set(-1..<24))
    #expect(variant.isGGUF)
  }

  @Test func `a third of TinyLlama's width is taken from its fourteen middle layers`() throws {
    let original = try Self.model(Self.tiny)
    let pruned = try CompressionVariant(parsing: "width-0.3").applied(to: original)
    // 3 of 4 groups of 8 heads stay (2.8 rounded), and 15 of 22 times 256 channels (15.4 rounded).
    let removed = 2 * 8 * 64 * 2048 + 2 * 64 * 2048 + 3 * 7 * 256 * 2048
    #expect(pruned.parametersTotal == original.parametersTotal - 14 * removed)
    for (index, layer) in pruned.architecture.layers.enumerated() {
      let isWhole = index < 4 || index >= 18
      #expect(layer.feedForward?.width == (isWhole ? 5632 : 3840))
      guard case .attention(let attention) = layer.mixers[0] else { continue }
      #expect(attention.heads == (isWhole ? 32 : 24))
      #expect(attention.keyValueHeads == (isWhole ? 4 : 3))
    }
  }

  @Test func `a merged adapter changes no shape`() throws {
    let original = try Self.model(Self.tiny)
    let merged = try CompressionVariant(parsing: "lora-16-merged").applied(to: original)
    #expect(merged.inventory.tensors == original.inventory.tensors)
  }

  @Test func `every dense attention model of the catalogue stays a model of matching shapes`() throws {
    var narrowed = 0
    for entry in try ModelCatalogue.builtIn().entries {
      let original = try entry.description()
      guard let pruned = try? CompressionVariant(parsing: "width-0.25+f16").applied(to: original) else { continue }
      narrowed += 1
      #expect(pruned.parametersTotal < original.parametersTotal, "\(entry.identifier)")
      for (index, layer) in pruned.architecture.layers.enumerated() {
        guard case .attention(let attention) = layer.mixers.first else { continue }
        let mixed = attention.heads * attention.valueWidth
        let output = pruned.inventory.tensors.first { $0.role == .attentionOutput && Int($0.layer) == index }
        let query = pruned.inventory.tensors.first { $0.role == .attentionQuery && Int($0.layer) == index }
        let down = pruned.inventory.tensors.first { $0.role == .feedForwardDown && Int($0.layer) == index }
        if let output { #expect(Int(output.columns) == mixed, "\(entry.identifier)") }
        if let query, query.role == .attentionQuery, output != nil {
          // A gated query (Qwen3-Next) has twice the rows.
          #expect(Int(query.rows) % (attention.heads * attention.keyWidth) == 0, "\(entry.identifier)")
        }
        if let down { #expect(Int(down.columns) == layer.feedForward?.width, "\(entry.identifier)") }
      }
    }
    #expect(narrowed > 200)
  }

  @Test func `what cannot be is refused with the reason`() throws {
    #expect(try failure("depth-31", on: Self.llama)?.kind == "variant_not_applicable")
    #expect(
      try failure("depth-31", on: Self.llama)?.message
        == "The compression step 'depth-31' cannot be applied to 'Llama 3 8B': it has 32 layers, and the first and the last stay."
    )
    #expect(try failure("width-0.3", on: "mistralai/Mixtral-8x7B-v0.1")?.kind == "variant_not_applicable")
    #expect(try failure("depth-x")?.kind == "variant_bad_parameter")
    #expect(try failure("width-1.5")?.kind == "variant_bad_parameter")
    #expect(try failure("width-0.0")?.kind == "variant_bad_parameter")
    #expect(try failure("lora-0-merged")?.kind == "variant_bad_parameter")
    #expect(try failure("q4_0+depth-8") == .wrongOrder(step: "depth-8", after: "q4_0"))
    #expect(try failure("q4_0+depth-8")?.remedy == "Write it first: 'depth-8+q4_0'.")
  }
}
