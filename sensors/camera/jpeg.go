package camera

import (
	"crypto/sha256"
	"encoding/hex"
)

// huffman is the hash of the standard's Huffman tables (ITU-T T.81, K.3), each
// with its class and number before it, in the order luma DC, luma AC, chroma DC,
// chroma AC.
const huffman = "f361ab42f71ff019275c522494accedf9fadd13f16af71632ca28255a7554a15"

// standardHuffman says that a JPEG picture has the Huffman tables that RTP takes
// for granted. A picture without any, as some cameras make them, has these, too.
func standardHuffman(jpeg []byte) bool {
	tables := map[byte][]byte{}
	for i := 2; i+4 <= len(jpeg) && jpeg[i] == 0xff; {
		marker, size := jpeg[i+1], int(jpeg[i+2])<<8|int(jpeg[i+3])
		if marker == 0xda || size < 2 || i+2+size > len(jpeg) {
			break // the scan, or nonsense
		}
		if marker == 0xc4 {
			collect(tables, jpeg[i+4:i+2+size])
		}
		i += 2 + size
	}
	if len(tables) == 0 {
		return true
	}
	h := sha256.New()
	for _, id := range []byte{0x00, 0x10, 0x01, 0x11} {
		h.Write(tables[id])
	}
	return len(tables) == 4 && hex.EncodeToString(h.Sum(nil)) == huffman
}

// collect takes the tables out of a segment.
func collect(tables map[byte][]byte, segment []byte) {
	for len(segment) >= 17 {
		size := 17
		for _, n := range segment[1:17] {
			size += int(n)
		}
		if size > len(segment) {
			return
		}
		tables[segment[0]] = segment[:size]
		segment = segment[size:]
	}
}

// twoTables gives a picture whose only quantisation table is number 0 the same
// one as number 1: RTP's receivers use the second for colour, whatever the
// picture says. Any other picture stays as it is.
func twoTables(jpeg []byte) []byte {
	var only []byte
	for i := 2; i+4 <= len(jpeg) && jpeg[i] == 0xff; {
		marker, size := jpeg[i+1], int(jpeg[i+2])<<8|int(jpeg[i+3])
		if marker == 0xda || size < 2 || i+2+size > len(jpeg) {
			break // the scan, or nonsense
		}
		if marker == 0xdb {
			if only != nil || size != 2+1+64 || jpeg[i+4] != 0 {
				return jpeg
			}
			only = jpeg[i : i+2+size]
		}
		i += 2 + size
	}
	if only == nil {
		return jpeg
	}
	both := append(jpeg[:2:2], only...)
	both[2+4] = 1
	return append(both, jpeg[2:]...)
}
