// SPDX-License-Identifier: Apache-2.0
internal import Compression
internal import Inference
internal import LanguageModel
internal import ModelFiles

/// A tensor as floats that may be changed.
///
/// - Shapes: (copies, rows, columns), row-major.
struct FloatTensor {
  /// Its format is the one in which it is stored when no step says otherwise.
  var description: TensorDescription
  var name: String
  var values: UnsafeMutableBufferPointer<Float>
  /// The same as integers in groups, where a step has rounded it.
  var packing: GroupPacking?

  var rows: Int { Int(description.rows) * Int(description.copies) }
  var columns: Int { Int(description.columns) }
  var role: TensorRole { description.role }

  func row(_ index: Int) -> UnsafeMutablePointer<Float> {
    // The rows exist: only an empty tensor has no address.
    UnsafeMutablePointer(mutating: pointer) + index * columns
  }

  var pointer: UnsafeMutablePointer<Float> {
    guard let address = values.baseAddress else { preconditionFailure("\(name) has no elements") }
    return address
  }

  var entry: DerivedWeights.Entry {
    var tensor = description
    tensor.format = .f32
    return DerivedWeights.Entry(tensor: tensor, name: name, bytes: UnsafeRawBufferPointer(values))
  }
}

/// One layer's tensors as floats in a spool, so that a model of any size is changed a layer at a time.
struct FloatLayer {
  let index: Int
  var shape: LayerDescription
  var tensors: [FloatTensor]
  let spool: Spool

  /// - Throws: `CompressorError.alreadyQuantised`, `.notFinite`; `ModelFileError` when the disk is full.
  init(_ model: WorkingModel, layer: Int, spool: Spool) throws {
    index = layer
    shape = model.architecture.layers[layer]
    self.spool = spool
    tensors = []
    for place in model.places(ofLayer: layer) {
      tensors.append(try Self.floats(model, place, spool))
    }
  }

  /// One tensor of a model as floats.
  static func floats(_ model: WorkingModel, _ place: Int, _ spool: Spool) throws -> FloatTensor {
    let tensor = model.weights.inventory.tensors[place]
    let name = model.description.inventory.fileNames[place]
    guard case .block(let format) = tensor.format, [.f32, .f16, .bf16].contains(format),
      let codec = BlockCodec(format), let address = model.weights.bytes(ofTensor: place).baseAddress
    else {
      throw CompressorError.alreadyQuantised(path: model.weights.path, tensor: name, format: tensor.format.name)
    }
    let values = try spool.allocate(floats: tensor.elements)
    codec.decode(address, into: values)
    if let strange = values.firstIndex(where: { !$0.isFinite }) {
      throw CompressorError.notFinite(path: model.weights.path, tensor: name, element: strange)
    }
    return FloatTensor(description: model.description.inventory.tensors[place], name: name, values: values)
  }

  /// The place of a role's tensor in `tensors`.
  func place(of role: TensorRole) -> Int? { tensors.firstIndex { $0.role == role } }

  /// The matrices that products read, embedding and router aside.
  var matrices: [Int] {
    tensors.indices.filter { tensors[$0].description.isLinearLayer }
  }
}
