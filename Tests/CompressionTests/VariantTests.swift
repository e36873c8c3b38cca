// SPDX-License-Identifier: Apache-2.0
import LanguageModel
import Profiles
import Quantities
import Testing

@testable import Compression

@Suite struct `The grammar of variants` {
  @Test func `every offered variant is spelled as it is parsed`() throws {
    for variant in CompressionVariant.offered {
      #expect(try CompressionVariant(parsing: variant.name) == variant)
      #expect(try CompressionVariant(parsing: variant.name.uppercased()) == variant)
      #expect(variant.howToObtain.allSatisfy { !$0.isEmpty })
    }
    #expect(Set(CompressionVariant.offered.map(\.name)).count == CompressionVariant.offered.count)
  }

  @Test func `steps are joined by a plus and original is no step`() throws {
    let variant = try CompressionVariant(parsing: "bf16+awq4-g128")
    #expect(variant.steps == [.uniform(.bf16), .linearLayers(.awq(bits: 4, group: 128))])
    #expect(variant.name == "bf16+awq4-g128")
    #expect(try CompressionVariant(parsing: "original").steps.isEmpty)
    #expect(CompressionVariant.original.name == "original")
  }

  @Test func `recipe, single type and importance matrix are told apart`() throws {
    #expect(
      try CompressionVariant(parsing: "q4_0").steps == [.mixture(.q4_0, hasImportanceMatrix: false)])
    #expect(
      try CompressionVariant(parsing: "q4_0-imatrix").steps == [.mixture(.q4_0, hasImportanceMatrix: true)])
    #expect(try CompressionVariant(parsing: "q4_0-pure").steps == [.uniform(.q4_0)])
    #expect(try CompressionVariant(parsing: "q4_k").steps == [.uniform(.q4_k)])
    #expect(try CompressionVariant(parsing: "iq2_s-pure").name == "iq2_s-pure")
    #expect(try CompressionVariant(parsing: "fp16") == CompressionVariant(parsing: "f16"))
    #expect(try CompressionVariant(parsing: "awq4") == CompressionVariant(parsing: "awq4-g128"))
    #expect(try CompressionVariant(parsing: "gptq3-g64").steps == [.linearLayers(.gptq(bits: 3, group: 64))])
  }

  private func failure(_ text: String) -> CompressionError? {
    do throws(CompressionError) {
      _ = try CompressionVariant(parsing: text)
      return nil
    } catch { return error }
  }

  @Test func `a student keeps the spelling of its name, and stands first`() throws {
    let variant = try CompressionVariant(parsing: "STUDENT:models/Small.gguf+Q4_K_M")
    #expect(variant.student == "models/Small.gguf")
    #expect(variant.name == "student:models/Small.gguf+q4_k_m")
    #expect(failure("student:") != nil)
    let error = try #require(failure("depth-2+student:TinyLlama"))
    #expect(error.kind == "variant_not_combinable")
    #expect(error.message.contains("another model"))
  }

  @Test func `a student is looked up before it is sized`() throws {
    let student = try CompressionVariant(parsing: "student:TinyLlama")
    var model = LanguageModelDescription(
      name: "small", architecture: LlamaFixture.tinyLlama.architecture, inventory: LlamaFixture.tinyLlama.inventory,
      provenance: .configuration(path: "test"))
    #expect(throws: CompressionError.self) { try student.restructured(model) }
    model.teacher = "a larger one"
    #expect(try student.restructured(model).inventory.tensors == model.inventory.tensors)
  }

  @Test(arguments: [
    ("q4_k_m+q8_0", "q4_k_m", "q8_0"), ("awq4+nf4", "awq4-g128", "nf4"), ("sparse-2:4+q4_0", "sparse-2:4", "q4_0"),
    ("depth-2+q4_0+q8_0", "q4_0", "q8_0"), ("qlora-16+q8_0", "nf4-dq", "q8_0"), ("q8_0+q8_0", "q8_0", "q8_0"),
  ])
  func `a second way to store the weights is refused with the reason`(text: String, first: String, second: String) {
    #expect {
      try CompressionVariant(parsing: text)
    } throws: { error in
      guard case CompressionError.notCombinable(second, first, let reason) = error else { return false }
      return reason.contains("how the weights are stored")
    }
  }

  @Test(arguments: [
    "depth-2+q4_k_m", "student:TinyLlama-1.1B+q4_k_m", "nf4-dq+lora-16", "depth-8+lora-16-merged+awq4-g128", "f16+q8_0",
  ])
  func `one way to store goes with a student, a changed shape or an adapter`(text: String) throws {
    #expect(try CompressionVariant(parsing: text).name == text)
  }

  @Test func `what is wrong with a variant is said with the nearest names`() throws {
    #expect(failure("") == .empty(variant: ""))
    #expect(failure("q4_k_m+") == .empty(variant: "q4_k_m+"))
    #expect(failure("q4_k_x") == .unknownStep(step: "q4_k_x", suggestions: ["q4_k_s", "q4_k_m"]))
    #expect(failure("zebra") == .unknownStep(step: "zebra", suggestions: []))
    #expect(failure("awq3") == .badParameter(step: "awq3", expected: "awq4"))
    #expect(failure("gptq4-g100")?.kind == "variant_bad_parameter")
    #expect(failure("i32")?.kind == "variant_unknown")
    #expect(failure("depth")?.kind == "variant_unknown")
    #expect(
      failure("q4_k_x")?.message == "There is no compression step 'q4_k_x'.")
    #expect(failure("q4_k_x")?.remedy.hasPrefix("Did you mean 'q4_k_s', 'q4_k_m'? Offered are f32, f16, ") == true)
  }
}

@Suite struct `Variants as functions` {
  /// One model of every family of the catalogue: dense, experts, latent attention, hybrids.
  private static let models: [LanguageModelDescription] = {
    guard let catalogue = try? ModelCatalogue.builtIn() else { return [] }
    var families: Set<String> = []
    return catalogue.entries.filter { families.insert($0.family).inserted }.compactMap { try? $0.description() }
  }()

  @Test func `sums without the list equal the sums of the list`() throws {
    #expect(Self.models.count > 30)
    for model in Self.models {
      let census = TensorCensus(model)
      for variant in CompressionVariant.offered + [.original] {
        let list = try variant.applied(to: model).inventory
        let summary = variant.summary(of: census)
        let aligned = list.tensors.reduce(ByteCount.zero) { $0 + $1.bytes.aligned(to: 32) }
        #expect(summary.bytes == list.bytes, "\(model.name) \(variant)")
        #expect(summary.alignedBytes == aligned, "\(model.name) \(variant)")
        #expect(summary.parameters == model.parametersTotal)
        #expect(summary.entries.reduce(.zero) { $0 + $1.bytes } == list.bytes)
        #expect(summary.entries.reduce(0) { $0 + $1.tensors } == list.tensors.count)
        #expect(TensorClass.allCases.reduce(.zero) { $0 + summary.bytes(of: $1) } == list.bytes)
      }
    }
  }

  @Test func `a variant changes formats and nothing else, and a second application changes nothing`() throws {
    for model in Self.models.prefix(12) {
      for variant in CompressionVariant.offered {
        let once = try variant.applied(to: model)
        let twice = try variant.applied(to: once)
        #expect(once.inventory.tensors == twice.inventory.tensors, "\(model.name) \(variant)")
        var reverted = once.inventory.tensors
        for index in reverted.indices { reverted[index].format = model.inventory.tensors[index].format }
        #expect(reverted == model.inventory.tensors)
      }
    }
  }

  @Test func `rows are whole blocks in every GGUF variant`() throws {
    for model in Self.models {
      for variant in CompressionVariant.offered {
        for tensor in try variant.applied(to: model).inventory.tensors {
          guard case .block(let format) = tensor.format else { continue }
          #expect(Int(tensor.columns) % format.elementsPerBlock == 0, "\(model.name) \(variant) \(tensor)")
        }
      }
    }
  }

  @Test func `norms, biases and routers are never quantised`() throws {
    for model in Self.models {
      for variant in CompressionVariant.offered {
        for tensor in try variant.applied(to: model).inventory.tensors
        where tensor.isVector || [.router, .positionEmbedding, .expertDownBias].contains(tensor.role) {
          #expect([.f32, .f16].contains(tensor.format), "\(model.name) \(variant) \(tensor)")
        }
      }
    }
  }

  /// AutoAWQ's layout: 4 bits, and per group of 128 a 16-bit scale and a 4-bit zero point, are 4.15625 bits. Of the
  /// 8,030,261,248 weights of Llama-3-8B, 2 × 128,256 × 4096 and 65 norms of 4096 stay in 16.
  @Test func `AWQ keeps embedding and head in 16 bits`() throws {
    let census = TensorCensus(LlamaFixture.llama31With8B.inventory, LlamaFixture.llama31With8B.architecture)
    let summary = try CompressionVariant(parsing: "awq4-g128").summary(of: census)
    let kept = 2 * 128_256 * 4096 + 65 * 4096
    let bits = Double(8_030_261_248 - kept) * 4.15625 + Double(kept) * 16
    #expect(summary.bytes.magnitude * 8 == bits)
    #expect(summary.bytes(of: .embedding) == ByteCount(128_256 * 4096 * 2))
    #expect(summary.bytes(of: .outputHead) == ByteCount(128_256 * 4096 * 2))
  }

  /// bitsandbytes: 4 + 8/64 + 32/(64·256) bits with double quantisation, 4 + 32/64 without.
  @Test func `normal floats cost 4.127 and 4.5 bits inside the layers`() throws {
    let census = TensorCensus(LlamaFixture.llama2With7B.inventory, LlamaFixture.llama2With7B.architecture)
    for (name, bits) in [("nf4-dq", 4.126953125), ("nf4", 4.5)] {
      let summary = try CompressionVariant(parsing: name).summary(of: census)
      let entry = try #require(summary.entries.first { $0.tensorClass == .feedForward })
      #expect(abs(entry.bytes.magnitude * 8 / Double(entry.elements) - bits) < 1e-5)
    }
  }

  @Test func `eight experts get eight-bit values and keys`() throws {
    let catalogue = try ModelCatalogue.builtIn()
    let mixtral = try catalogue.entry(named: "mistralai/Mixtral-8x7B-v0.1").description()
    let list = try CompressionVariant(parsing: "q4_k_m").applied(to: mixtral).inventory.tensors
    func formats(_ role: TensorRole) -> Set<StorageFormat> { Set(list.filter { $0.role == role }.map(\.format)) }
    #expect(formats(.attentionValue) == [.block(.q8_0)])
    #expect(formats(.attentionKey) == [.block(.q8_0)])
    #expect(formats(.attentionOutput) == [.block(.q5_k)])
    #expect(formats(.expertDown) == [.block(.q4_k), .block(.q6_k)])
    #expect(formats(.router) == [.f32])
  }

  @Test func `a kernel is promised only where every format has one`() throws {
    func support(_ fixture: LlamaFixture, _ name: String) throws -> KernelSupport {
      try CompressionVariant(parsing: name).summary(of: TensorCensus(fixture.inventory, fixture.architecture))
        .kernelSupport
    }
    #expect(try support(.tinyLlama, "q4_k_m") == .fast)
    #expect(try support(.tinyLlama, "q5_k_m") == .fast)
    #expect(try support(.tinyLlama, "iq2_xs") == .fast)
    // 896 columns are no multiple of 256: most tensors fall back to q5_0.
    #expect(try support(.qwen25With05B, "q4_k_m") == .fast)
    for name in ["awq4-g128", "gptq3-g64", "gptq8-row-act", "nf4-dq", "fp4", "int8", "w8a8", "fp8", "fp8-block"] {
      #expect(try support(.tinyLlama, name) == .fast, "\(name)")
    }
    #expect(try support(.tinyLlama, "sparse-2:4") == .fast)
    #expect(try support(.tinyLlama, "sparse-0.5") == .fast)
    #expect(try support(.tinyLlama, "bf16") == .fast)
    #expect(KernelSupport.none.sentence == "No kernel yet, not runnable here.")
  }

  @Test func `the layers of a recipe are those of its source`() {
    // 32 layers: 4 first, 4 last, and every third between, beginning with layer 6.
    let sensitive = (0..<32).filter { LayerSelection.sensitive.contains($0, of: 32) }
    #expect(sensitive == [0, 1, 2, 3, 6, 9, 12, 15, 18, 21, 24, 27, 28, 29, 30, 31])
    #expect((0..<40).filter { LayerSelection.firstEighth.contains($0, of: 40) } == [0, 1, 2, 3, 4])
    #expect((0..<40).filter { LayerSelection.firstSixteenth.contains($0, of: 40) } == [0, 1])
    #expect((0..<16).filter { LayerSelection.inner.contains($0, of: 16) } == Array(2..<14))
  }
}
