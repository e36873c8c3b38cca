// SPDX-License-Identifier: Apache-2.0
import CKernels
internal import CostModel
internal import LanguageModel

/// Which rows of an inventory's tensors the kernels want interleaved.
struct Interleaving: Sendable {
  static let panelRows = CK_PANEL_ROWS
  private let interleaved: [Int]
  private let matrices: [[Int]]

  /// - Parameters:
  ///   - architecture: nil leaves fused queries, keys and values as they are: where they part is not known.
  ///   - kernels: nil interleaves nothing.
  init(_ inventory: TensorInventory, _ architecture: ModelArchitecture?, kernels: KernelSet?) {
    let headsAreWhole = architecture.map(Self.headsAreWholePanels) ?? false
    let gated = Set(inventory.tensors.lazy.filter { $0.role == .feedForwardGate }.map(\.layer))
    matrices = inventory.tensors.map { tensor in
      Self.matrices(of: tensor, architecture, hasGate: gated.contains(tensor.layer))
    }
    let hasHead = inventory.tensors.contains { $0.role == .outputHead }
    interleaved = inventory.tensors.map { tensor in
      // The embedding is looked up row by row; only as the head of a tied model it is multiplied.
      guard let kernels, tensor.role != .tokenEmbedding || !hasHead else { return 0 }
      switch tensor.role {
      case .positionEmbedding: return 0
      case .attentionQKV where !headsAreWhole: return 0
      // Gate and up may be the halves of one matrix.
      case .feedForwardUp where tensor.rows % (2 * Int32(Self.panelRows)) != 0: return 0
      case .feedForwardGateUp where tensor.rows % (2 * Int32(Self.panelRows)) != 0: return 0
      default: return Self.rows(of: tensor, kernels)
      }
    }
  }

  private static func headsAreWholePanels(_ architecture: ModelArchitecture) -> Bool {
    architecture.layers.allSatisfy { layer in
      layer.mixers.allSatisfy { mixer in
        guard case .attention(let shape) = mixer else { return true }
        return shape.keyWidth % panelRows == 0 && shape.valueWidth % panelRows == 0
      }
    }
  }

  /// Whole panels; a stack of matrices only where none of its matrices begins inside a panel.
  private static func rows(of tensor: TensorDescription, _ kernels: KernelSet) -> Int {
    guard !tensor.isKeptAsFloats, let format = tensor.runtimeFormat, kernels.interleaves(format.kernelType),
      ck_panel_input(format.kernelType) == CK_INPUT_F32 || tensor.columns % 32 == 0,
      Int(tensor.columns) % format.elementsPerBlock == 0, tensor.copies == 1 || Int(tensor.rows) % panelRows == 0
    else { return 0 }
    return Int(tensor.rows) * Int(tensor.copies) / panelRows * panelRows
  }

  func rows(ofTensor index: Int) -> Int { interleaved[index] }

  /// The panels of each of the matrices that a tensor is multiplied as, one behind the other, and last the rows behind
  /// all panels in sixteens: the lists of pieces that threads share in a product.
  func pieces(ofTensor index: Int, rows: Int) -> [Int] {
    let whole = interleaved[index]
    var (start, panels) = (0, [Int]())
    for count in matrices[index] {
      panels.append((min(start + count, whole) - min(start, whole)) / Self.panelRows)
      start += count
    }
    return panels + [(rows - whole + Self.panelRows - 1) / Self.panelRows]
  }

  /// The rows of each of them: those of a stack, and the parts of a fused projection.
  private static func matrices(
    of tensor: TensorDescription, _ architecture: ModelArchitecture?, hasGate: Bool
  ) -> [Int] {
    let rows = Int(tensor.rows)
    let layer = architecture?.layers.dropFirst(max(0, Int(tensor.layer))).first
    switch (tensor.role, layer?.mixers.first) {
    case (.attentionQKV, .attention(let shape)?):
      let (keys, values) = (shape.keyValueHeads * shape.keyWidth, shape.keyValueHeads * shape.valueWidth)
      // What does not fit is refused when the model is put together.
      guard rows > keys + values else { return [rows] }
      return [rows - keys - values, keys, values]
    case (.feedForwardGateUp, _): return [rows / 2, rows - rows / 2]
    case (.feedForwardUp, _) where layer?.feedForward?.isGated == true && !hasGate: return [rows / 2, rows - rows / 2]
    default: return [Int](repeating: rows, count: Int(tensor.copies))
    }
  }

  var isEmpty: Bool { interleaved.allSatisfy { $0 == 0 } }
}
