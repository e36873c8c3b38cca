// SPDX-License-Identifier: Apache-2.0
package import JSONText
internal import Quantities

extension Calibration {
  package var json: JSON {
    .object(present: [
      ("date", .string(date)), ("toolVersion", .string(toolVersion)), ("kernelSet", .string(kernelSet)),
      ("durationSeconds", .number(duration.seconds)), ("rates", .array(rates.map(\.json))),
      ("overheads", .array(overheads.map(\.json))), ("warnings", .array(warnings.map { .string($0) })),
    ])
  }

  /// - Parameter file: the name that errors give to the text.
  package init(json: JSON, file: String) throws(HardwareProfileError) {
    try self.init(reading: ProfileReader(json, file: file, path: "calibration"))
  }

  init(reading reader: ProfileReader) throws(HardwareProfileError) {
    self.init(
      date: try reader.required("date").string(), toolVersion: try reader.optional("toolVersion")?.string() ?? "",
      kernelSet: try reader.required("kernelSet").string(),
      duration: Seconds(try reader.required("durationSeconds").double()), rates: [], overheads: [], warnings: [])
    for rate in try reader.list("rates") { rates.append(try Rate(reading: rate)) }
    for overhead in try reader.list("overheads") { overheads.append(try Overhead(reading: overhead)) }
    for warning in try reader.list("warnings") { warnings.append(try warning.string()) }
  }
}

extension Calibration.Rate {
  var json: JSON {
    .object(present: [
      ("operation", .string(operation.rawValue)), ("format", .string(format)), ("threads", JSON(threads)),
      ("batch", JSON(batch)), ("operandBytes", JSON(operandBytes)), ("columns", JSON(columns)),
      ("perSecond", .number(perSecond)),
      ("low", .number(low)), ("high", .number(high)), ("samples", JSON(samples)),
    ])
  }

  init(reading reader: ProfileReader) throws(HardwareProfileError) {
    let rate = try reader.required("perSecond").double()
    self.init(
      try reader.required("operation").word(Operation.self), format: try reader.optional("format")?.string() ?? "",
      threads: try reader.required("threads").int(atLeast: 1),
      batch: try reader.optional("batch")?.int(atLeast: 1) ?? 1,
      operandBytes: Int(try reader.optional("operandBytes")?.bytes().bytes ?? 0),
      columns: try reader.optional("columns")?.int() ?? 0, perSecond: rate,
      low: try reader.optional("low")?.double() ?? rate, high: try reader.optional("high")?.double() ?? rate,
      samples: try reader.optional("samples")?.int() ?? 1)
  }
}

extension Calibration.Overhead {
  var json: JSON {
    .object(present: [
      ("kind", .string(kind.rawValue)), ("threads", JSON(threads)), ("amount", .number(amount)),
      ("low", .number(low)), ("high", .number(high)),
    ])
  }

  init(reading reader: ProfileReader) throws(HardwareProfileError) {
    let amount = try reader.required("amount").double()
    self.init(
      try reader.required("kind").word(Kind.self), threads: try reader.optional("threads")?.int() ?? 1, amount: amount,
      low: try reader.optional("low")?.double() ?? amount, high: try reader.optional("high")?.double() ?? amount)
  }
}
