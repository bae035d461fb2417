package film

import (
	"context"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"

	"golang.org/x/image/draw"
	"golang.org/x/image/font"
	"golang.org/x/image/font/basicfont"
	"golang.org/x/image/math/fixed"

	"dashline/sensors/synth"
	"dashline/sensors/synth/truth"
)

// Of a contact sheet, pixels.
const (
	sheetColumns = 4
	sheetWide    = 320 // of a picture
	sheetGap     = 6
	sheetLabel   = 18 // below a picture
)

// shot is a moment worth a picture.
type shot struct {
	scenario synth.Scenario
	step     int // of the drive
	label    string
}

// Sheet writes a PNG with a picture from the middle of each scene that each
// scenario meets within its duration, labelled.
func Sheet(ctx context.Context, path string, scenarios []synth.Scenario, seed uint64, report func(done, of int)) error {
	var shots []shot
	for _, sc := range scenarios {
		found, err := moments(ctx, sc, seed)
		if err != nil {
			return err
		}
		shots = append(shots, found...)
	}
	var pictures []image.Image
	for i, s := range shots {
		img, err := snap(ctx, s, seed)
		if err != nil {
			return err
		}
		pictures = append(pictures, img)
		report(i+1, len(shots))
	}
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("write contact sheet: %w", err)
	}
	if err := png.Encode(f, arrange(shots, pictures)); err != nil {
		_ = f.Close()
		return fmt.Errorf("write contact sheet %s: %w", path, err)
	}
	return f.Close()
}

// moments drives once without looking, to see which scenes there are.
func moments(ctx context.Context, sc synth.Scenario, seed uint64) ([]shot, error) {
	w, err := synth.New(sc, seed)
	if err != nil {
		return nil, err
	}
	d := w.Drive()
	first, last := map[int]int{}, map[int]int{} // steps of each scene's first stay
	var order []int
	for step := range d.Frames {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		i := w.Truth().Scene
		if before, met := last[i]; !met {
			order = append(order, i)
			first[i], last[i] = step, step
		} else if before == step-1 {
			last[i] = step
		}
		w.Step(1/d.FPS, nil)
	}
	var shots []shot
	for _, i := range order {
		shots = append(shots, shot{sc, (first[i] + last[i]) / 2, title(sc.Name, d.Scenes[i])})
	}
	return shots, nil
}

func title(scenario string, s truth.Scene) string {
	return fmt.Sprintf("%s: %s, %s", scenario, s.Name, s.Weather)
}

// snap drives to a moment and takes its picture, which is made smaller.
func snap(ctx context.Context, s shot, seed uint64) (image.Image, error) {
	w, err := synth.New(s.scenario, seed)
	if err != nil {
		return nil, err
	}
	for range s.step {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		w.Step(1/s.scenario.FPS, nil)
	}
	c := s.scenario.Camera
	from := synth.NewImage(c.Width, c.Height)
	w.Render(from)
	whole := image.NewRGBA(image.Rect(0, 0, c.Width, c.Height))
	for in, out := from.Pix, whole.Pix; len(in) > 0; in, out = in[3:], out[4:] {
		out[0], out[1], out[2], out[3] = in[2], in[1], in[0], 0xFF
	}
	small := image.NewRGBA(image.Rect(0, 0, sheetWide, sheetWide*c.Height/c.Width))
	draw.CatmullRom.Scale(small, small.Bounds(), whole, whole.Bounds(), draw.Src, nil)
	return small, nil
}

// arrange puts pictures in rows from left to right, with their labels below.
func arrange(shots []shot, pictures []image.Image) image.Image {
	high := 0
	for _, p := range pictures {
		high = max(high, p.Bounds().Dy())
	}
	rows := (len(pictures) + sheetColumns - 1) / sheetColumns
	columns := min(sheetColumns, len(pictures))
	cell := image.Pt(sheetWide+sheetGap, high+sheetLabel+sheetGap)
	sheet := image.NewRGBA(image.Rect(0, 0, columns*cell.X+sheetGap, rows*cell.Y+sheetGap))
	draw.Draw(sheet, sheet.Bounds(), image.White, image.Point{}, draw.Src)
	for i, p := range pictures {
		at := image.Pt(sheetGap+i%sheetColumns*cell.X, sheetGap+i/sheetColumns*cell.Y)
		draw.Draw(sheet, p.Bounds().Add(at), p, image.Point{}, draw.Src)
		d := font.Drawer{Dst: sheet, Src: image.NewUniform(color.Gray{40}), Face: basicfont.Face7x13, Dot: fixed.P(at.X, at.Y+p.Bounds().Dy()+13)}
		text := shots[i].label
		for d.MeasureString(text).Ceil() > sheetWide {
			text = text[:len(text)-1]
		}
		d.DrawString(text)
	}
	return sheet
}
