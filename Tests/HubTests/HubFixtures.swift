// SPDX-License-Identifier: Apache-2.0
import Foundation
import LanguageModel
import ModelFiles
import Quantities
import Synchronization

@testable import Hub

/// Pauses that somebody was told to make.
final class PauseLog: Sendable {
  private let pauses = Mutex<[Double]>([])
  var seconds: [Double] { pauses.withLock { $0 } }
  func add(_ pause: Seconds) { pauses.withLock { $0.append(pause.seconds) } }
}

/// Runs a body against a server that ends with it.
func withServer<Result>(
  _ respond: @escaping @Sendable (LoopbackServer.Request, _ index: Int) -> LoopbackServer.Reply,
  _ body: (LoopbackServer) throws -> Result
) throws -> Result {
  let server = try LoopbackServer(respond: respond)
  defer { server.stop() }
  return try body(server)
}

/// A server of files by their path in the repository `maker/toy`; all else is 404.
func serving(_ files: [String: [UInt8]]) -> @Sendable (LoopbackServer.Request, Int) -> LoopbackServer.Reply {
  { request, _ in
    let prefix = "/maker/toy/resolve/main/"
    guard request.target.hasPrefix(prefix), let bytes = files[String(request.target.dropFirst(prefix.count))] else {
      return .text("Entry not found", status: 404)
    }
    return .file(bytes, request.range)
  }
}

/// A hub that waits for nobody.
func hub(_ server: LoopbackServer, token: String? = nil, log: PauseLog = PauseLog()) -> Hub {
  var settings = HubSettings(endpoint: server.endpoint, token: token)
  settings.totalTimeout = Seconds(5)
  settings.pause = { log.add($0) }
  return Hub(settings: settings)
}

/// Why the hub does not describe a model; nil when it does.
func refusal(_ hub: Hub, _ reference: String) -> HubError? {
  do throws(HubError) {
    _ = try hub.model(reference)
    return nil
  } catch {
    return error
  }
}

/// Why a text is no reference; nil when it is one.
func refusal(ofReference text: String) -> HubError? {
  do throws(HubError) {
    _ = try HubReference(text)
    return nil
  } catch {
    return error
  }
}

/// A llama of two layers, 64 wide, vocabulary 32, and what its checkpoint holds.
enum Toy {
  static let configuration = """
    {"model_type": "llama", "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2,
     "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 32, "max_position_embeddings": 128,
     "tie_word_embeddings": false, "rms_norm_eps": 1e-5, "torch_dtype": "bfloat16"}
    """

  /// Name and shape of every tensor, in the order of the file.
  static let tensors: [(name: String, shape: [Int])] = {
    var list: [(String, [Int])] = [("model.embed_tokens.weight", [32, 64])]
    for layer in 0..<2 {
      let prefix = "model.layers.\(layer)."
      list += [
        (prefix + "input_layernorm.weight", [64]), (prefix + "post_attention_layernorm.weight", [64]),
        (prefix + "self_attn.q_proj.weight", [64, 64]), (prefix + "self_attn.k_proj.weight", [32, 64]),
        (prefix + "self_attn.v_proj.weight", [32, 64]), (prefix + "self_attn.o_proj.weight", [64, 64]),
        (prefix + "mlp.gate_proj.weight", [96, 64]), (prefix + "mlp.up_proj.weight", [96, 64]),
        (prefix + "mlp.down_proj.weight", [64, 96]),
      ]
    }
    return list + [("model.norm.weight", [64]), ("lm_head.weight", [32, 64])]
  }()

  /// 2 · 32 · 64 (tables) + 64 (norm) + 2 · (2 · 64 + 2 · 64² + 2 · 32 · 64 + 3 · 96 · 64), by hand.
  static let parameters = 4096 + 64 + 2 * (128 + 8192 + 4096 + 18432)

  /// A safetensors file of 16-bit tensors; `names` renames or chooses them.
  static func safetensors(
    _ tensors: [(name: String, shape: [Int])] = tensors, element: String = "BF16", elementBytes: Int = 2,
    padding: Int = 0
  ) -> [UInt8] {
    var entries: [String] = []
    var offset = 0
    for tensor in tensors {
      let count = tensor.shape.reduce(1, *) * elementBytes
      let shape = tensor.shape.map(String.init).joined(separator: ",")
      entries.append(
        "\"\(tensor.name)\":{\"dtype\":\"\(element)\",\"shape\":[\(shape)],\"data_offsets\":[\(offset),\(offset + count)]}"
      )
      offset += count
    }
    let header = Array("{\(entries.joined(separator: ","))}".utf8) + [UInt8](repeating: 0x20, count: padding)
    return withUnsafeBytes(of: UInt64(header.count).littleEndian) { Array($0) } + header
      + [UInt8](repeating: 0, count: offset)
  }

  /// A GGUF file of the same shapes with a vocabulary of about `vocabularyBytes` and `fillBytes` of extra tensor.
  static func gguf(vocabularyBytes: Int = 1000, fillRows: Int = 0) -> (bytes: [UInt8], headerBytes: Int) {
    var writer = GGUFWriter()
    writer.set("general.architecture", .string("llama"))
    writer.set("general.name", .string("Toy"))
    for (key, value) in [
      ("block_count", 2), ("context_length", 128), ("embedding_length", 64), ("feed_forward_length", 96),
      ("attention.head_count", 4), ("attention.head_count_kv", 2),
    ] as [(String, UInt32)] { writer.set("llama.\(key)", .uint32(value)) }
    let token = String(repeating: "t", count: 92)
    writer.set("tokenizer.ggml.tokens", .array(GGUFArray((0..<vocabularyBytes / 100).map { _ in token })))
    writer.add(tensor: "token_embd.weight", dimensions: [64, 32 + fillRows], format: .f32)
    for layer in 0..<2 {
      for (name, rows, columns) in [
        ("attn_q", 64, 64), ("attn_k", 32, 64), ("attn_v", 32, 64), ("attn_output", 64, 64), ("ffn_gate", 96, 64),
        ("ffn_up", 96, 64), ("ffn_down", 64, 96),
      ] {
        writer.add(tensor: "blk.\(layer).\(name).weight", dimensions: [columns, rows], format: .f32)
      }
      for name in ["attn_norm", "ffn_norm"] {
        writer.add(tensor: "blk.\(layer).\(name).weight", dimensions: [64], format: .f32)
      }
    }
    writer.add(tensor: "output_norm.weight", dimensions: [64], format: .f32)
    let header = writer.headerBytes()
    return (header + [UInt8](repeating: 0, count: writer.fileBytes - header.count), header.count)
  }
}
