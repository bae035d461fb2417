package record

// MaxChunk stub
const MaxChunk = 64 << 20
