package synth

// Image is a picture of 8-bit BGR, row after row without gaps.
type Image struct {
	Width, Height int
	Pix           []byte // 3*Width*Height
}

// NewImage makes a black picture.
func NewImage(w, h int) *Image { return &Image{w, h, make([]byte, 3*w*h)} }
