// SPDX-License-Identifier: Apache-2.0
import CKernels
import Foundation
import Inference
import LanguageModel
import ModelFiles

/// The forward pass as the papers write it, in doubles and plain loops: what the runtime is compared with.
struct NaiveTwin {
  let architecture: ModelArchitecture
  private var tensors: [String: [Double]] = [:]
  private var keys: [[[Double]]]
  private var values: [[[Double]]]

  init(architecture: ModelArchitecture, weights: any WeightSource) {
    self.architecture = architecture
    keys = architecture.layers.map { _ in [] }
    values = keys
    for (index, tensor) in weights.inventory.tensors.enumerated() {
      guard case .block(let format) = tensor.format else { continue }
      var floats = [Float](repeating: 0, count: tensor.elements)
      ck_decoder_of(ck_kernels_for(CK_PORTABLE), Int32(format.ggufType))?(
        weights.bytes(ofTensor: index).baseAddress, &floats, Int64(floats.count))
      tensors["\(tensor.role) \(tensor.layer)"] = floats.map(Double.init)
    }
  }

  /// The logits after one more token.
  mutating func logits(after token: Int32) -> [Double] {
    let hidden = architecture.hiddenSize
    let embedding = tensor(.tokenEmbedding)
    var x = Array(embedding[Int(token) * hidden..<(Int(token) + 1) * hidden])
    for index in architecture.layers.indices {
      x = zip(x, attention(index, norm(x, tensor(.attentionNorm, index)))).map(+)
      let normed = norm(x, tensor(.feedForwardNorm, index))
      let gate = product(tensor(.feedForwardGate, index), normed)
      let up = product(tensor(.feedForwardUp, index), normed)
      let gated = zip(gate, up).map { $0 / (1 + exp(-$0)) * $1 }
      x = zip(x, product(tensor(.feedForwardDown, index), gated)).map(+)
    }
    let head = tensors["\(TensorRole.outputHead) -1"] ?? embedding
    return product(head, norm(x, tensor(.outputNorm)))
  }

  private func tensor(_ role: TensorRole, _ layer: Int = -1) -> [Double] { tensors["\(role) \(layer)"] ?? [] }

  private func norm(_ x: [Double], _ weight: [Double]) -> [Double] {
    let mean = x.reduce(0) { $0 + $1 * $1 } / Double(x.count)
    let scale = 1 / (mean + architecture.forward.normEpsilon).squareRoot()
    return zip(x, weight).map { $0 * scale * $1 }
  }

  // Plain pointers and while loops: closures cost a hundred times as much in a debug build.
  private func product(_ matrix: [Double], _ x: [Double]) -> [Double] {
    var result = [Double](repeating: 0, count: matrix.count / x.count)
    matrix.withUnsafeBufferPointer { matrix in
      x.withUnsafeBufferPointer { x in
        var row = 0
        while row < result.count {
          var sum = 0.0
          var k = 0
          while k < x.count {
            sum += matrix[row * x.count + k] * x[k]
            k += 1
          }
          result[row] = sum
          row += 1
        }
      }
    }
    return result
  }

  private func biased(_ x: [Double], _ role: TensorRole, _ layer: Int) -> [Double] {
    let bias = tensor(role, layer)
    return bias.isEmpty ? x : zip(x, bias).map(+)
  }

  private mutating func attention(_ index: Int, _ x: [Double]) -> [Double] {
    guard case .attention(let shape)? = architecture.layers[index].mixers.first else { return [] }
    let width = shape.keyWidth
    let position = keys[index].count
    let q = rotated(biased(product(tensor(.attentionQuery, index), x), .attentionQueryBias, index), width, position)
    keys[index].append(
      rotated(biased(product(tensor(.attentionKey, index), x), .attentionKeyBias, index), width, position))
    values[index].append(biased(product(tensor(.attentionValue, index), x), .attentionValueBias, index))
    var mixed: [Double] = []
    for head in 0..<shape.heads {
      let group = head / (shape.heads / shape.keyValueHeads) * width
      let seen = max(0, position + 1 - (shape.window ?? .max))...position
      let scores = seen.map { p in
        (0..<width).reduce(0.0) { $0 + q[head * width + $1] * keys[index][p][group + $1] } / Double(width).squareRoot()
      }
      let weights = scores.map { exp($0 - (scores.max() ?? 0)) }
      let total = weights.reduce(0, +)
      mixed += (0..<width).map { k in
        zip(seen, weights).reduce(0.0) { $0 + values[index][$1.0][group + k] * $1.1 } / total
      }
    }
    return product(tensor(.attentionOutput, index), mixed)
  }

  private func rotated(_ x: [Double], _ width: Int, _ position: Int) -> [Double] {
    let rules = architecture.forward.rope
    let rotated = min(rules.width ?? width, width)
    var y = x
    for start in stride(from: 0, to: x.count, by: width) {
      for i in 0..<rotated / 2 {
        let angle = Double(position) * pow(rules.base, -2 * Double(i) / Double(rotated))
        let (a, b) = rules.pairing == .neighbours ? (2 * i, 2 * i + 1) : (i, i + rotated / 2)
        y[start + a] = x[start + a] * cos(angle) - x[start + b] * sin(angle)
        y[start + b] = x[start + a] * sin(angle) + x[start + b] * cos(angle)
      }
    }
    return y
  }
}
