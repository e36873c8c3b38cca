// SPDX-License-Identifier: Apache-2.0
internal import LanguageModel

/// A tensor that the forward pass reads, as strided pieces of one that a checkpoint stores.
///
/// - Shapes: each piece is walked copies, groups, rows, columns; the pieces follow each other.
struct TensorOrder {
  /// So many steps of so many elements.
  struct Walk {
    var count = 1
    var stride = 0
  }

  struct Piece {
    var offset = 0
    var copies = Walk()
    var groups = Walk()
    var rows: Walk
    var columns: Walk

    var runs: Int { copies.count * groups.count * rows.count }

    /// The first element of a run of columns.
    func start(ofRun run: Int) -> Int {
      let (row, rest) = (run % rows.count, run / rows.count)
      let (group, copy) = (rest % groups.count, rest / groups.count)
      return offset + copy * copies.stride + group * groups.stride + row * rows.stride
    }
  }

  let tensor: TensorDescription
  let pieces: [Piece]

  private init(_ source: TensorDescription, _ role: TensorRole, _ pieces: [Piece]) {
    var tensor = source
    tensor.role = role
    // Pieces of one tensor differ in their rows only.
    tensor.copies = Int32(clamping: pieces[0].copies.count)
    let rows = pieces.reduce(0) { $0 + $1.groups.count * $1.rows.count }
    tensor.rows = source.isVector ? 1 : Int32(clamping: rows)
    tensor.columns = Int32(clamping: source.isVector ? rows : pieces[0].columns.count)
    self.tensor = tensor
    self.pieces = pieces
  }

  /// What stands for a checkpoint's tensor in the pass's own order; empty where that is the checkpoint's.
  static func orders(of tensor: TensorDescription, in architecture: ModelArchitecture) -> [TensorOrder] {
    let rules = architecture.forward
    let layer = architecture.layers.indices.contains(Int(tensor.layer)) ? architecture.layers[Int(tensor.layer)] : nil
    guard let layer, tensor.part == .whole else { return [] }
    let matrix = StoredMatrix(tensor, isTransposed: rules.transposedRoles.contains(tensor.role))
    switch (tensor.role, layer.mixers.first) {
    case (.attentionQKV, .attention(let shape)) where rules.fusesByGroup && shape.keyValueHeads > 0,
      (.attentionQKVBias, .attention(let shape)) where rules.fusesByGroup && shape.keyValueHeads > 0:
      return [TensorOrder(tensor, tensor.role, matrix.groups(shape))]
    case (.latentKeyValueUp, .latentAttention(let shape)): return latent(tensor, matrix, shape)
    case (.expertGateUp, _): return gateAndUp(tensor, matrix, .expertGate, .expertUp, rules)
    case (.expertGateUpBias, _):
      return gateAndUp(tensor, StoredMatrix(rowsAreCopiesOf: tensor), .expertGateBias, .expertUpBias, rules)
    default: return matrix.isTransposed ? [TensorOrder(tensor, tensor.role, [matrix.piece(rows: matrix.outputs)])] : []
    }
  }

  /// A head's rows are its keys' and its values' parts; the keys' is wanted transposed.
  private static func latent(
    _ tensor: TensorDescription, _ matrix: StoredMatrix, _ shape: LatentAttention
  ) -> [TensorOrder] {
    let (plain, value) = (shape.plainWidth, shape.valueWidth)
    let heads = Walk(count: shape.heads, stride: (plain + value) * matrix.outputStride)
    let keys = Piece(
      copies: heads, rows: Walk(count: matrix.inputs, stride: matrix.inputStride),
      columns: Walk(count: plain, stride: matrix.outputStride))
    var values = matrix.piece(from: plain, rows: value)
    values.copies = heads
    return [TensorOrder(tensor, .latentKeyUp, [keys]), TensorOrder(tensor, .latentValueUp, [values])]
  }

  private static func gateAndUp(
    _ tensor: TensorDescription, _ matrix: StoredMatrix, _ gate: TensorRole, _ up: TensorRole, _ rules: ForwardRules
  ) -> [TensorOrder] {
    let width = matrix.outputs / 2
    let step = rules.alternatesGateAndUp ? 2 : 1
    return [
      TensorOrder(tensor, gate, [matrix.piece(rows: width, step: step)]),
      TensorOrder(tensor, up, [matrix.piece(from: step == 2 ? 1 : width, rows: width, step: step)]),
    ]
  }
}

/// Where outputs and inputs of a checkpoint's matrices lie.
private struct StoredMatrix {
  let copies: TensorOrder.Walk
  let outputs: Int
  let inputs: Int
  let outputStride: Int
  let inputStride: Int
  let isTransposed: Bool

  init(_ tensor: TensorDescription, isTransposed: Bool) {
    let (rows, columns) = (Int(tensor.rows), Int(tensor.columns))
    self.isTransposed = isTransposed
    // A vector's elements are outputs.
    let isColumn = isTransposed || tensor.isVector
    copies = .init(count: Int(tensor.copies), stride: rows * columns)
    (outputs, inputs) = isColumn ? (columns, rows) : (rows, columns)
    (outputStride, inputStride) = isColumn ? (1, columns) : (columns, 1)
  }

  /// A vector for each of several matrices, as the rows of one.
  init(rowsAreCopiesOf tensor: TensorDescription) {
    copies = .init(count: Int(tensor.rows), stride: Int(tensor.columns))
    (outputs, inputs, outputStride, inputStride) = (Int(tensor.columns), 1, 1, 1)
    isTransposed = false
  }

  func piece(from first: Int = 0, rows: Int, step: Int = 1) -> TensorOrder.Piece {
    TensorOrder.Piece(
      offset: first * outputStride, copies: copies, rows: .init(count: rows, stride: step * outputStride),
      columns: .init(count: inputs, stride: inputStride))
  }

  /// All queries, all keys, all values of rows that stand group by group: a group's queries, its key, its value.
  func groups(_ shape: Attention) -> [TensorOrder.Piece] {
    let queries = shape.heads / shape.keyValueHeads * shape.keyWidth
    let parts = [(0, queries), (queries, shape.keyWidth), (queries + shape.keyWidth, shape.valueWidth)]
    let size = queries + shape.keyWidth + shape.valueWidth
    return parts.map { first, rows in
      var piece = piece(from: first, rows: rows)
      piece.groups = .init(count: shape.keyValueHeads, stride: size * outputStride)
      return piece
    }
  }
}
