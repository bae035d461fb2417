"""Reads a recording with Python's mcap, every checksum checked and every warning
an error, decodes every message, and prints what it saw as JSON.

Usage: mcap_reader.py FILE
"""

import json
import sys
import warnings

warnings.simplefilter("error")

from mcap.reader import NonSeekingReader, SeekingReader
from mcap.stream_reader import StreamReader
from mcap_protobuf.decoder import DecoderFactory


def read(kind, path):
    """Messages by topic and schema, and a few fields of each."""
    topics = {}
    with open(path, "rb") as f:
        reader = kind(f, validate_crcs=True, decoder_factories=[DecoderFactory()])
        last = 0
        for schema, channel, message, decoded in reader.iter_decoded_messages():
            assert schema.encoding == "protobuf" and channel.message_encoding == "protobuf"
            assert decoded.DESCRIPTOR.full_name == schema.name
            assert message.log_time >= last, "log times fall"
            last = message.log_time
            # Nothing in the message that its schema does not say.
            assert len(decoded.SerializeToString()) == len(message.data), schema.name
            t = topics.setdefault(channel.topic, {"schema": schema.name, "count": 0, "bytes": 0, "stamps": []})
            t["count"] += 1
            t["bytes"] += len(message.data)
            if hasattr(decoded, "timestamp"):
                t["stamps"].append(str(decoded.timestamp.ToNanoseconds()))
    return topics


def main(path):
    seeking = read(SeekingReader, path)
    streaming = read(NonSeekingReader, path)
    assert seeking == streaming, "the index and the stream differ"
    with open(path, "rb") as f:
        records = [type(r).__name__ for r in StreamReader(f, emit_chunks=True, validate_crcs=True).records]
    with open(path, "rb") as f:
        reader = SeekingReader(f, validate_crcs=True)
        header, summary = reader.get_header(), reader.get_summary()
        chunks = len(summary.chunk_indexes)
        compression = sorted({c.compression for c in summary.chunk_indexes})
        attachments = {a.name: a.data.decode() for a in reader.iter_attachments()}
        metadata = [[m.name, m.metadata] for m in reader.iter_metadata()]
    assert records.count("Chunk") == chunks and records[0] == "Header" and records[-1] == "Footer"
    json.dump(
        {
            "profile": header.profile,
            "chunks": chunks,
            "compression": compression,
            "messages": summary.statistics.message_count,
            "topics": seeking,
            "attachments": attachments,
            "metadata": metadata,
        },
        sys.stdout,
    )


main(sys.argv[1])
