// SPDX-License-Identifier: Apache-2.0
package import JSONText
internal import Quantities

extension MemorySystem {
  package var json: JSON {
    .object(present: [
      ("totalBytes", total.plainJSON), ("availableBytes", available.plainJSON), ("limitBytes", JSON(limit)),
      ("limitSource", JSON(limitSource)), ("usedOfLimitBytes", JSON(usedOfLimit)),
      // What follows from the four above, for readers; it is not read back.
      ("usableBytes", usable.value.map { .integer($0.bytes) } ?? usable.json),
      ("swapTotalBytes", swapTotal.plainJSON), ("hugePages", hugePages.json),
      ("numaNodes", .array(numaNodes.map(\.json))), ("peakBandwidthBytesPerSecond", peakBandwidth.json),
    ])
  }

  init(reading reader: ProfileReader) throws(HardwareProfileError) {
    self.init(
      total: try reader.known("totalBytes", absent: "not given in the profile"),
      available: try reader.known("availableBytes", absent: "not given in the profile"),
      limit: try reader.optional("limitBytes")?.bytes(), limitSource: try reader.optional("limitSource")?.string(),
      usedOfLimit: try reader.optional("usedOfLimitBytes")?.bytes(),
      swapTotal: try reader.known("swapTotalBytes", absent: "not given in the profile"),
      peakBandwidth: try reader.known("peakBandwidthBytesPerSecond", absent: "no vendor figure for this machine"))
    if let reader = reader.optional("hugePages") { hugePages = try HugePages(reading: reader) }
    for node in try reader.list("numaNodes") { numaNodes.append(try NUMANode(reading: node)) }
  }
}

extension HugePages {
  var json: JSON {
    .object(present: [
      ("sizeBytes", JSON(size)), ("reserved", JSON(reserved)), ("transparent", JSON(transparent)),
    ])
  }

  init(reading reader: ProfileReader) throws(HardwareProfileError) {
    self.init(
      size: try reader.optional("sizeBytes")?.bytes(), reserved: try reader.optional("reserved")?.int(),
      transparent: try reader.optional("transparent")?.string())
  }
}

extension NUMANode {
  var json: JSON {
    .object(present: [
      ("index", JSON(index)), ("capacityBytes", capacity.plainJSON),
      ("distances", .array(distances.map { JSON($0) })), ("processingUnitCount", JSON(processingUnitCount)),
    ])
  }

  init(reading reader: ProfileReader) throws(HardwareProfileError) {
    self.init(
      index: try reader.required("index").int(),
      capacity: try reader.known("capacityBytes", absent: "not given in the profile"),
      processingUnitCount: try reader.optional("processingUnitCount")?.int() ?? 0)
    for distance in try reader.list("distances") { distances.append(try distance.int()) }
  }
}
