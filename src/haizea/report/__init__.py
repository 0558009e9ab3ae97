"""Pictures of a finished schedule: one HTML page, an SVG drawing, and a drawing for the terminal.

What is drawn is handed in; nothing here knows how it was scheduled, reads a clock or fetches anything.
"""
