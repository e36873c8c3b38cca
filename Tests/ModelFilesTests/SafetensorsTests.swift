// SPDX-License-Identifier: Apache-2.0
import LanguageModel
import Quantities
import Testing

@testable import ModelFiles

/// A safetensors file of a header text and data bytes.
func safetensorsFile(_ header: String, dataBytes: Int) -> [UInt8] {
  let text = Array(header.utf8)
  return withUnsafeBytes(of: UInt64(text.count).littleEndian, Array.init) + text
    + (0..<dataBytes).map { UInt8(truncatingIfNeeded: $0) }
}

let smallHeader = """
  {"__metadata__":{"format":"pt"},\
  "model.embed_tokens.weight":{"dtype":"BF16","shape":[5,4],"data_offsets":[0,40]},\
  "model.layers.0.mlp.down_proj.weight":{"dtype":"F16","shape":[4,6],"data_offsets":[56,104]},\
  "model.norm.weight":{"dtype":"F32","shape":[4],"data_offsets":[40,56]}}
  """

/// A configuration of the size of a toy.
let smallConfiguration = """
  {"model_type":"llama","hidden_size":4,"intermediate_size":6,"num_hidden_layers":1,"num_attention_heads":2,\
  "num_key_value_heads":1,"vocab_size":5,"max_position_embeddings":16,"rms_norm_eps":1e-05,"rope_theta":10000.0,\
  "tie_word_embeddings":true,"torch_dtype":"bfloat16"}
  """

func readSafetensors(_ bytes: [UInt8], fileBytes: Int? = nil) throws -> SafetensorsHeader.Outcome {
  try bytes.withUnsafeBytes {
    try SafetensorsHeader.read($0, fileBytes: fileBytes ?? bytes.count, path: "model.safetensors")
  }
}

@Suite struct `Safetensors files` {
  @Test func `shapes, types and places come from the header`() throws {
    let bytes = safetensorsFile(smallHeader, dataBytes: 104)
    guard case .complete(let header) = try readSafetensors(bytes) else { throw ModelFileTestFailure.incomplete }
    #expect(header.dataOffset == 8 + smallHeader.utf8.count)
    #expect(header.metadata.map(\.key) == ["format"])
    #expect(header.tensors.map(\.element) == [.bf16, .f16, .f32])
    #expect(header.tensors.map(\.shape) == [[5, 4], [4, 6], [4]])
    #expect(header.tensors.map(\.offset) == [0, 56, 40])
    #expect(try header.inventory(path: "model.safetensors").bytes == ByteCount(104))
  }

  @Test func `a partial buffer is told how much the header needs`() throws {
    let bytes = safetensorsFile(smallHeader, dataBytes: 104)
    guard case .needsMoreBytes(8) = try readSafetensors(Array(bytes[..<3]), fileBytes: bytes.count),
      case .needsMoreBytes(let count) = try readSafetensors(Array(bytes[..<20]), fileBytes: bytes.count),
      case .complete = try readSafetensors(Array(bytes[..<count]), fileBytes: bytes.count)
    else { throw ModelFileTestFailure.incomplete }
    #expect(count == 8 + smallHeader.utf8.count)
  }

  @Test func `a folder gives the description of its configuration and the bytes of its shards`() throws {
    let folder = try TemporaryFolder()
    try folder.write(smallConfiguration, "config.json")
    try folder.write(safetensorsFile(smallHeader, dataBytes: 104), "model-00001-of-00002.safetensors")
    let second = #"{"model.layers.0.self_attn.q_proj.weight":{"dtype":"BF16","shape":[4,4],"data_offsets":[0,32]}}"#
    try folder.write(safetensorsFile(second, dataBytes: 32), "model-00002-of-00002.safetensors")
    try folder.write(
      """
      {"weight_map":{"model.embed_tokens.weight":"model-00001-of-00002.safetensors",\
      "model.layers.0.self_attn.q_proj.weight":"model-00002-of-00002.safetensors"}}
      """, "model.safetensors.index.json")
    let model = try ModelFile.open(folder.path)
    let weights = try #require(model.weights)
    #expect(model.description.architecture.hiddenSize == 4)
    #expect(model.description.provenance == .safetensors(path: folder.path))
    #expect(weights.inventory.tensors.map(\.role) == [.tokenEmbedding, .feedForwardDown, .outputNorm, .attentionQuery])
    #expect(weights.inventory.tensors.map(\.layer) == [-1, 0, -1, 0])
    #expect(weights.inventory.bytes == ByteCount(136))
    for index in weights.inventory.tensors.indices {
      #expect(ByteCount(weights.bytes(ofTensor: index).count) == weights.inventory.tensors[index].bytes)
    }
    #expect(Array(weights.bytes(ofTensor: 2)) == Array(40..<56))
    #expect(weights.index(ofTensorNamed: "model.norm.weight") == 2)
  }

  @Test func `a configuration alone describes a model without weights`() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write(smallConfiguration, "config.json")
    let model = try ModelFile.open(path)
    #expect(model.weights == nil)
    #expect(model.description.provenance == .configuration(path: path))
    #expect(model.description.name == folder.path.split(separator: "/").last.map(String.init))
    #expect(try ModelFile.open(folder.path).description.parametersTotal == model.description.parametersTotal)
  }
}

enum ModelFileTestFailure: Error { case incomplete }
