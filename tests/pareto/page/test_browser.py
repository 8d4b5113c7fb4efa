"""The interactive page in a real browser: its plot, table and details follow the controls."""

import shutil

import pytest

from halfbyte.pareto.page import write_page

from .records import NETLIST, RECORDS

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    options = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=options)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    for record in RECORDS:
        if "netlist" in record:
            (folder / record["netlist"]).write_text(NETLIST)
    return write_page(folder / "report.html", RECORDS, folder)


@pytest.fixture
def page(browser, report):
    """The page in a browser. It must not write to the console or make a request by HTTP."""
    messages = []
    page = browser.new_page(viewport={"width": 1200, "height": 900})
    page.on("console", lambda message: messages.append(message.text))
    page.on("pageerror", lambda error: messages.append(str(error)))
    page.on("request", lambda request: messages.append(request.url) if "http" in request.url else 0)
    page.goto(report.as_uri())
    page.wait_for_selector("body[data-ready]")
    yield page
    page.close()
    assert messages == []


def names(page):
    """The formats in the rows of the table, in order."""
    return page.locator("#table tbody tr td:first-child").all_inner_texts()


def drawn(page):
    """The labels of the points in the plot."""
    return page.evaluate("document.getElementById('plot').data.find((t) => t.text).text")


def test_is_small_and_self_contained(report):
    text = report.read_text()
    assert len(text) < 5_000_000
    assert "https://" not in text.split('<script type="text/plain"')[0]


def test_draws_formats_of_few_bits_at_first_and_wider_ones_on_request(page):
    assert set(drawn(page)) == {"INT4", "E2M1", "APoT4", "SF4"}
    page.select_option("#bits", "8")
    assert "INT8" in drawn(page)


def test_filters_change_what_is_drawn(page):
    page.select_option("#filter-technology", "asap7")
    assert names(page) == ["INT4", "E2M1"]
    assert set(drawn(page)) == {"INT4", "E2M1"}
    page.select_option("#filter-recipe", "w4a4")
    assert drawn(page) == ["E2M1"]
    assert "without a number for one of the axes: INT4" in page.inner_text("#note")


def test_frontier_follows_the_axes(page):
    rows = page.locator("#table tbody tr").all_inner_texts()
    assert [row.split("\t")[0] for row in rows if "yes" in row] == ["APoT4", "SF4"]
    page.select_option("#x", "delay_ps")
    rows = page.locator("#table tbody tr").all_inner_texts()
    assert [row.split("\t")[0] for row in rows if "yes" in row] == ["SF4"]
    page.uncheck("#frontier")
    assert page.evaluate("document.getElementById('plot').data.length") == 1


def test_table_sorts_by_a_column_in_both_directions(page):
    assert names(page) == ["APoT4", "INT4", "E2M1", "SF4"]
    page.get_by_role("button", name="Loss, %").click()
    assert names(page)[0] == "SF4"
    page.get_by_role("button", name="Loss, %").click()
    assert names(page)[0] == "INT4"


def test_search_keeps_the_names_that_contain_the_text(page):
    page.fill("#search", "pot")
    assert names(page) == ["APoT4"]


def test_a_click_on_a_point_opens_its_record(page):
    index = drawn(page).index("E2M1")
    point = page.locator("#plot .scatterlayer .trace .point").nth(index)
    box = point.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    detail = page.locator("#detail")
    detail.wait_for(state="visible")
    assert detail.locator("h2").inner_text() == "E2M1 (e2m1)"
    assert "1,010.0" in detail.inner_text()
    assert "halfbyte synth e2m1 --tech sky130hd" in detail.inner_text()


def test_the_keyboard_opens_a_record_and_its_netlist_can_be_saved(page, tmp_path):
    page.locator("#table tbody tr").nth(1).focus()
    page.keyboard.press("Enter")
    assert page.locator("#detail h2").inner_text() == "INT4 (int4)"
    with page.expect_download() as saved:
        page.locator("#save").click()
    saved.value.save_as(tmp_path / "saved.v")
    assert (tmp_path / "saved.v").read_text() == NETLIST
    page.keyboard.press("Escape")
    assert not page.locator("#detail").is_visible()
    assert page.evaluate("document.activeElement.cells[0].innerText") == "INT4"


def test_no_button_sends_the_plot_to_a_server(page):
    buttons = page.locator("#plot .modebar-btn")
    titles = buttons.evaluate_all("(all) => all.map((each) => each.getAttribute('aria-label'))")
    assert "Download plot as a PNG" in titles
    assert not [title for title in titles if "Share" in title or "Cloud" in title]


def test_two_formats_are_shown_side_by_side(page):
    page.select_option("#left", "int4")
    page.select_option("#right", "sf4")
    assert page.locator("#comparison h3").all_inner_texts() == ["INT4", "SF4"]
    assert page.locator("#comparison svg circle").count() == 16 + 16


def test_logarithmic_axis_and_dark_theme(page):
    page.check("#xlog")
    assert page.evaluate("document.getElementById('plot').layout.xaxis.type") == "log"
    before = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.locator("#theme").click()
    assert page.locator("#theme").inner_text() == "Light"
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != before


def test_fits_a_narrow_window(page):
    page.set_viewport_size({"width": 380, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 380
