import Foundation

public struct SHA256 {
    public static func hash(data: some DataProtocol) -> SHA256Digest { fatalError() }
}

public struct SHA256Digest: Sequence {
    public func makeIterator() -> Array<UInt8>.Iterator { fatalError() }
}
