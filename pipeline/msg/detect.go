package msg

// Pixel is a point in the source frame, in pixels: x right, y down. The centre
// of the top-left pixel is (0.5, 0.5).
type Pixel struct{ X, Y float32 }

// Box is an axis-aligned rectangle in the source frame, in pixels, with
// X0 <= X1 and Y0 <= Y1, clipped to the frame.
type Box struct{ X0, Y0, X1, Y1 float32 }

// Detection is one object that a detector found in one frame.
type Detection struct {
	Box   Box
	Class int     // index into the network's class names
	Label string  // class name
	Score float32 // confidence, 0 to 1
}

// Detections are all objects found in one frame, best score first.
type Detections struct {
	Header
	Width, Height int // of the source frame, pixels
	By            Network
	Items         []Detection
}
