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

  @Test(arguments: [
    "depth-8", "width-0.3", "width-0.125", "lora-16-merged", "depth-8+lora-16-merged+awq4-g128",
    "sparse-0.5", "sparse-2:4", "svd-0.5", "lora-16", "nf4-dq+lora-16", "svd-0.5+q8_0+lora-8",
  ])
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

  /// Seven matrices in each of TinyLlama's 22 layers.
  private static let shapes = [
    (2048, 2048), (256, 2048), (256, 2048), (2048, 2048), (5632, 2048), (5632, 2048), (2048, 5632),
  ]

  @Test func `an adapter of rank 16 adds 16 × (rows + columns) weights to every matrix of the layers`() throws {
    let original = try Self.model(Self.tiny)
    let adapted = try CompressionVariant(parsing: "lora-16").applied(to: original)
    let added = 22 * Self.shapes.reduce(0) { $0 + 16 * ($1.0 + $1.1) }
    // 16 × 35,840 rows and columns × 22 layers.
    #expect(added == 12_615_680)
    #expect(adapted.parametersTotal == original.parametersTotal + added)
    #expect(adapted.inventory.bytes == original.inventory.bytes + ByteCount(2 * added))
    let names = adapted.inventory.tensors.filter { $0.part.isAdapter }.prefix(2).compactMap(\.ggufName)
    #expect(names == ["blk.0.attn_q.weight.lora_a", "blk.0.attn_q.weight.lora_b"])
  }

  @Test func `QLoRA is a base in double quantised normal floats with an adapter in 16 bits`() throws {
    let variant = try CompressionVariant(parsing: "qlora-16")
    #expect(variant == (try CompressionVariant(parsing: "nf4-dq+lora-16")))
    let model = try variant.applied(to: Self.model(Self.tiny))
    for tensor in model.inventory.tensors where tensor.layer >= 0 && !tensor.isVector {
      #expect(tensor.format == (tensor.part.isAdapter ? .f16 : .normalFloat4(isDoubleQuantised: true)))
    }
  }

  @Test func `factors hold at most their share of a matrix, and whole blocks`() throws {
    let original = try Self.model(Self.tiny)
    let model = try CompressionVariant(parsing: "svd-0.5+q4_k").applied(to: original)
    let ranks = Self.shapes.map { rows, columns -> Int in
      let limit = rows * columns / 2 / (rows + columns)
      return limit >= 256 ? limit / 256 * 256 : limit / 32 * 32
    }
    #expect(ranks == [512, 96, 96, 512, 512, 512, 512])
    let outside = original.inventory.tensors.filter { $0.layer < 0 || $0.isVector }.reduce(0) { $0 + $1.elements }
    let inside = zip(ranks, Self.shapes).reduce(0) { $0 + $1.0 * ($1.1.0 + $1.1.1) }
    #expect(model.parametersTotal == outside + 22 * inside)
  }

  @Test(arguments: [
    // Mask of one bit and half of the 16 bits; two of four with two bits each; four of eight, where a mask is smaller.
    ("sparse-0.5", 9.0), ("sparse-0.75", 5), ("sparse-2:4", 9), ("sparse-4:8", 9), ("sparse-1:4", 4.5),
  ])
  func `a sparse matrix takes its kept weights and what finds them`(name: String, bits: Double) throws {
    let model = try CompressionVariant(parsing: name).applied(to: Self.model(Self.tiny))
    let matrix = try #require(model.inventory.tensors.first { $0.role == .feedForwardUp })
    #expect(matrix.bytes.magnitude * 8 / Double(matrix.elements) == bits)
    let head = try #require(model.inventory.tensors.first { $0.role == .outputHead })
    #expect(head.format == .f16)
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
    #expect(try failure("svd-2")?.kind == "variant_bad_parameter")
    #expect(try failure("sparse-4:2")?.kind == "variant_bad_parameter")
    #expect(try failure("sparse-2:5")?.kind == "variant_bad_parameter")
    #expect(try failure("svd-0.5+sparse-2:4")?.kind == "variant_not_combinable")
    #expect(try failure("tucker-0.5")?.kind == "variant_not_offered")
    #expect(try failure("tt-0.5")?.remedy == "Take 'svd-0.5', whose factors are multiplied by the dense kernels.")
    #expect(try failure("q4_0+depth-8") == .wrongOrder(step: "depth-8", after: "q4_0"))
    #expect(try failure("q4_0+depth-8")?.remedy == "Write it first: 'depth-8+q4_0'.")
  }
}
