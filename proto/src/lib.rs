//! Generated types of the management API and its descriptor set; nothing else.

/// Package `speedmimi.v1`.
pub mod v1 {
    #![allow(
        missing_docs,
        unreachable_pub,
        unused_qualifications,
        clippy::all,
        clippy::allow_attributes_without_reason,
        reason = "generated: the comments are those of the .proto files"
    )]
    tonic::include_proto!("speedmimi.v1");
}

/// Every file of the API with its imports, as reflection serves it.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/speedmimi.bin"));
